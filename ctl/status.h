/* status.h - what `bootfarm status` knows at one moment, and what it concludes from it. */
#ifndef BF_CTL_STATUS_H
#define BF_CTL_STATUS_H

#include "ctl/client.h"
#include "ctl/render.h"

struct status {
    json_t *health, *images, *repositories, *errors, *workers, *presence, *quarantine, *commands;
    json_t *failures; /* attempt id → its row, for images whose newest job failed */
};

/* Asks the API; `repository` NULL: all. On error *s holds nothing. */
int status_load(struct client *c, const char *repository, struct status *s,
                struct err *e) BF_MUST_CHECK;
void status_release(struct status *s);

/* The table of images and one line that counts them. */
void status_add_images(const struct status *s, const struct style *style, struct str *out);
/* A paragraph for each thing that is wrong or stands still; nothing when there is none. */
void status_add_problems(const struct status *s, const struct style *style, struct str *out);

enum progress {
    PROGRESS_REACHED, /* every image Synced and present wherever it is mirrored to */
    PROGRESS_MOVING,
    PROGRESS_STUCK /* nothing more happens until somebody acts */
};
enum progress status_progress(const struct status *s);

#endif
