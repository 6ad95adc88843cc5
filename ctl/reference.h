/* reference.h - does a word mean an image of the farm, or an image in a registry? */
#ifndef BF_CTL_REFERENCE_H
#define BF_CTL_REFERENCE_H

#include <stdbool.h>

/* True for HOST/…, where HOST is localhost, has a dot, or ends in a port, and for what has a
 * digest: quay.io/fedora/fedora-bootc:41, 127.0.0.1:5000/plant/hmi:main. False for the farm's own
 * repo:name@ref, also where the name has slashes or the repository a dot. */
bool is_reference(const char *word);

#endif
