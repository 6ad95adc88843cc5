# oci.sh - packs a root file system as an OCI image layout. Sourced. By hand, which is faster than through a container store and leaves no
# trace in one; the same tar gives the same bytes. Source: OCI image specification 1.0.
# shellcheck shell=bash

# oci_blob LAYOUT FILE: moves the file among the blobs; prints its digest and size as JSON members
oci_blob() {
    local hex
    hex=$(sha256sum <"$2" | cut -d' ' -f1)
    printf '"digest":"sha256:%s","size":%s' "$hex" "$(stat -c %s "$2")"
    mv "$2" "$1/blobs/sha256/$hex"
}

# oci_pack LAYOUT ROOT.tar CREATED CREATED_BY CONFIG: an image of one layer with the tag `image`; the tar is consumed. CREATED is RFC 3339, CONFIG the
# JSON object of the image's configuration (Cmd, Env, Labels, ...).
oci_pack() {
    local layout=$1 tar=$2 created=$3 by=$4 config=$5 diff_id arch
    mkdir -p "$layout/blobs/sha256"
    arch=$(dpkg --print-architecture)
    diff_id=$(sha256sum <"$tar" | cut -d' ' -f1)
    gzip -n -6 <"$tar" >"$layout/layer"
    rm "$tar"
    printf '{"created":"%s","architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"%s"}]}' \
        "$created" "$arch" "$config" "$diff_id" "$created" "$by" >"$layout/config"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",%s}]}' \
        "$(oci_blob "$layout" "$layout/config")" "$(oci_blob "$layout" "$layout/layer")" >"$layout/manifest"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s,"annotations":{"org.opencontainers.image.ref.name":"image"}}]}' \
        "$(oci_blob "$layout" "$layout/manifest")" >"$layout/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}
