"""A repository of images as a description, its files, and the ways in which one commit may change it.

The description knows what each image is made of, because the Containerfiles are written from it: model.py needs no reader of its own.
"""
import json
import posixpath

FOLDERS = ("common", "shared", "templates")
REFS = ["registry.example/os/base:41", "registry.example/os/base:42", "quay.io/org/tools:1"]


class Stage:
    def __init__(self, name, base, copies, declares=()):
        self.name = name
        self.base = base  # a definition, the name of an earlier stage, or a reference
        self.copies = list(copies)  # of the context; ${SITE} stands for itself
        self.of_stages = []  # names of earlier stages
        self.of_images = []  # definitions
        self.of_contexts = []  # names of named contexts
        self.declares = list(declares)
        self.onbuild = []  # sources of ONBUILD COPY


class Definition:
    def __init__(self, where, stem):
        self.dir, self.stem = where, stem
        self.stages, self.target = [], None
        self.settings = {}  # of image.yaml, as written there, without `matrix` and `include`
        self.sites, self.include = [], []  # matrix
        self.ignore_name, self.ignore = None, []
        self.needs = []  # definitions
        self.comment = 0
        self.included = None  # a file of the folder: then this is a Containerfile.in
        self.arch = ["amd64"]

    file = property(lambda d: f"{d.dir}/Containerfile" + (f".{d.stem}" if d.stem else "") + (".in" if d.included else ""))
    settings_file = property(lambda d: f"{d.dir}/" + (f"{d.stem}.image.yaml" if d.stem else "image.yaml"))

    def ignore_path(self):
        at = {"own": self.file + ".containerignore", "containerignore": f"{self.dir}/.containerignore",
              "dockerignore": f"{self.dir}/.dockerignore"}
        return at[self.ignore_name] if self.ignore_name else None

    def cells(self):
        return list(dict.fromkeys(self.sites + self.include)) or [None]

    def name(self, cell):
        plain = self.dir[len("images/"):] + (f"/{self.stem}" if self.stem else "")
        return f"{plain}-{cell}" if cell else plain

    def reference(self):
        return "localhost/" + self.name(self.cells()[0])

    def parents(self):
        for s in self.stages:
            yield from [x for x in [s.base, *s.of_images] if isinstance(x, Definition)]
        yield from self.needs

    def containerfile(self):
        out = [] if self.included else [f"# {self.comment}"]
        for s in self.stages:
            base = s.base.reference() if isinstance(s.base, Definition) else s.base
            out.append(f"FROM {base} AS {s.name}")
            out += [f'LABEL n="{self.comment}"', f'#include "{self.included}"'] if self.included else []
            out += [f"ARG {a}" for a in s.declares]
            out += [f"COPY {c} /srv/" for c in s.copies]
            out += [f"COPY --from={n} /srv /from/{n}" for n in s.of_stages]
            out += [f"COPY --from={d.reference()} /srv /image" for d in s.of_images]
            out += [f"RUN --mount=type=bind,from={n},target=/mnt cp -r /mnt /x" for n in s.of_contexts]
            out += [f"ONBUILD COPY {c} /srv/" for c in s.onbuild]
            out.append("RUN make all")
        return "\n".join(out) + "\n"

    def image_yaml(self):
        s = json.loads(json.dumps(self.settings))
        if self.target:
            s["target"] = self.target
        if self.sites or self.include:
            s["matrix"] = {**({"site": self.sites} if self.sites else {}),
                           **({"include": [{"site": x} for x in self.include]} if self.include else {})}
            s["name"] = self.name(None) + "-{matrix.site}"
            s.setdefault("args", {})["SITE"] = "{matrix.site}"
        if self.needs:
            s["needs_images"] = [d.reference() for d in self.needs]
        if self.arch != ["amd64"]:
            s["arch"] = self.arch
        return json.dumps(s, indent=1) + "\n" if s else None


class Repository:
    def __init__(self, rng, images, includes=False):
        self.rng, self.number, self.made, self.includes = rng, 0, 0, includes
        self.files = {}  # path → (mode, text): all but what is written from definitions
        self.defs, self.folder_args = [], {}  # folder of several definitions → value of COMMON
        self.root_ignore, self.defaults = [], {"arch": ["amd64"]}
        for folder in FOLDERS:
            self.put(f"{folder}/keep", "keep\n")
            for k in range(3):
                self.put(f"{folder}/x{k}.conf")
        self.put("docs/a.md")
        for k in range(2):
            self.put(f"args/a{k}.conf", f"USED=file{k}\nUNUSED=u\n")
        while len(self.defs) < images:
            self.add_definition()

    def fresh(self):
        self.number += 1
        return self.number

    def put(self, path, text=None, mode="100644"):
        self.files[path] = (mode, text if text is not None else f"text {self.fresh()}\n")

    def parent_for(self, d):
        """A definition before d that has its architectures; None: there is none."""
        limit = self.defs.index(d) if d in self.defs else len(self.defs)
        fit = [p for p in self.defs[:limit] if set(d.arch) <= set(p.arch)]
        return self.rng.choice(fit) if fit else None

    def base_for(self, d):
        parent = self.parent_for(d) if self.rng.random() < 0.7 else None
        return parent or self.rng.choice(REFS)

    # ---- definitions ----

    def add_definition(self):
        n = self.made = self.made + 1
        kind = 9 if n == 10 and self.includes else n % 9  # one is enough: each starts a preprocessor
        at = f"images/g{n % 5}/i{n}"
        made = [Definition(at, "one"), Definition(at, "two")] if kind == 8 else [Definition(at, "")]
        for k in range(4):
            self.put(f"{at}/f{k}")
        for path in ("sub/a", "sub/b.tmp", "sub/deep/c", "notes.md", "cfg-a", "cfg-b", "cfg-c", "onb/z"):
            self.put(f"{at}/{path}")
        if kind == 8:
            self.folder_args[at] = f"c{n}"
        for d in made:
            if self.rng.random() < 0.2:
                d.arch = ["amd64", "arm64"]
            self.shape(d, kind)
            if d.arch == ["amd64"] and self.rng.random() < 0.15 and self.parent_for(d):
                d.needs = [self.parent_for(d)]
            self.defs.append(d)

    def shape(self, d, kind):
        one = Stage("one", self.base_for(d), ["."])
        d.stages = [one]
        if kind == 0:  # the whole folder, with an ignore file
            d.ignore_name, d.ignore = self.rng.choice(["own", "containerignore", "dockerignore"]), ["*.md"]
            one.onbuild = ["onb"] if self.rng.random() < 0.5 else []
        elif kind == 1:  # single files and folders
            one.copies, one.declares = ["f0", "sub/"], ["USED"]
            d.settings["args_files"] = [f"/args/a{self.rng.randrange(2)}.conf"]
        elif kind == 2:  # stages and targets
            one.copies = ["f0"]
            two, three = Stage("two", self.base_for(d), ["f1"], ["USED"]), Stage("three", "one", ["f2"])
            two.of_stages = ["one"]
            d.stages += [two, three]
            d.target = self.rng.choice(["one", "two", "three"])
            d.settings["args"] = {"USED": "1", "UNUSED": "1"}
        elif kind == 3:  # the root as context
            d.settings["context"] = "/"
            one.copies = ["shared/x0.conf", f"{d.dir}/f1", "common/*.conf"]
        elif kind == 4:  # a matrix
            d.sites = ["a", "b"]
            one.copies, one.declares = ["cfg-${SITE}", "f0"], ["SITE"]
        elif kind == 5:  # named contexts and inputs
            one.copies, one.of_contexts = ["f?"], ["extra"]
            d.settings["contexts"] = {"extra": "/common"}
            d.settings["inputs"] = ["/templates/**"]
        elif kind == 6:  # tests
            self.put(f"{d.dir}/tests/a.sh", mode="100755")
            d.settings["test"] = {"scripts": ["tests/*.sh"], "container": ["true"], "boot": "no"}
            d.settings["publish"] = {"tags": ["{ref}", "x"]}
        elif kind == 7:  # links
            one.copies = ["in", "out"] if self.rng.random() < 0.5 else ["."]
            self.put(f"{d.dir}/in", "f0", "120000")
            self.put(f"{d.dir}/out", self.way_out(d, "shared/x1.conf"), "120000")
            self.put(f"{d.dir}/folder", self.way_out(d, "common"), "120000")
        elif kind == 9:  # an include
            one.copies, d.included = ["f0"], "part.inc"
            self.put(f"{d.dir}/part.inc", "RUN part\n")
        else:
            one.copies, one.declares = ["f0"], ["COMMON"]
            parent = self.parent_for(d)
            one.of_images = [parent] if parent else []

    @staticmethod
    def way_out(d, path):
        return posixpath.relpath(path, d.dir)

    # ---- files ----

    def tree(self):
        """All files: path → (mode, text)."""
        out = dict(self.files)
        out["bootfarm.yaml"] = ("100644", json.dumps({
            "bootfarm": 1, "defaults": self.defaults,
            "images": [{"files": ["images/**/Containerfile", "images/**/Containerfile.{one,two,in}"]}]}) + "\n")
        if self.root_ignore:
            out[".dockerignore"] = ("100644", "\n".join(self.root_ignore) + "\n")
        for folder, value in self.folder_args.items():
            out[f"{folder}/image.yaml"] = ("100644", json.dumps({"args": {"COMMON": value}}) + "\n")
        for d in self.defs:
            out[d.file] = ("100644", d.containerfile())
            text = d.image_yaml()
            if text:
                out[d.settings_file] = ("100644", text)
            if d.ignore_path():
                out[d.ignore_path()] = ("100644", "".join(p + "\n" for p in d.ignore))
        return out
