#include "ctl/render.h"
#include "common/base/utf8.h"
#include "common/base/vec.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define GAP 2 /* blanks between columns */

struct style style_detect(void)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    struct style s = {.terminal = isatty(STDOUT_FILENO) != 0, .now = time(NULL)};
    struct winsize ws;

    if (!s.terminal)
        return s;
    s.colour = !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
    s.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col ? ws.ws_col : 80;
    return s;
}

const char *member_text(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));

    return s ? s : "";
}

int64_t member_number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

/* ---- safe text --------------------------------------------------------------------------------
 */

/* Length of an SGR sequence (ESC [ digits and ; then m) at p, 0: none. */
static size_t sgr_length(const char *p, size_t n)
{
    size_t i = 2;

    if (n < 3 || p[0] != '\033' || p[1] != '[')
        return 0;
    while (i < n && i < 32 && ((p[i] >= '0' && p[i] <= '9') || p[i] == ';'))
        i++;
    return i < n && p[i] == 'm' ? i + 1 : 0;
}

void log_add_safe(struct str *out, const char *p, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp;

        if ((len = sgr_length(p + i, n - i)) > 0) {
            str_addmem(out, p + i, len);
            continue;
        }
        len = utf8_next(p + i, n - i, &cp);
        if (cp >= UTF8_BAD || (cp >= 0x7f && cp < 0xa0))
            str_addch(out, '?');
        else if (cp < 0x20 && cp != '\n' && cp != '\t')
            str_addf(out, "^%c", (char)(cp + 0x40));
        else
            str_addmem(out, p + i, len);
    }
}

/* ---- time -------------------------------------------------------------------------------------
 */

/* "+02", "+02:00", "-0530", "Z" */
static int zone_parse(const char *s, int64_t *seconds)
{
    int h = 0, m = 0, n = 0;

    *seconds = 0;
    if (strcmp(s, "Z") == 0)
        return 0;
    if ((s[0] != '+' && s[0] != '-') || sscanf(s + 1, "%2d%n", &h, &n) != 1)
        return -1;
    s += 1 + n;
    if (*s == ':')
        s++;
    if (*s && (sscanf(s, "%2d%n", &m, &n) != 1 || s[n]))
        return -1;
    *seconds = (int64_t)h * 3600 + m * 60;
    return 0;
}

int time_parse(const char *text, int64_t *out)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    int64_t zone;

    if (!rest || (*rest != 'T' && *rest != ' ') || !(rest = strptime(rest + 1, "%H:%M:%S", &tm)))
        return -1;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (zone_parse(rest, &zone) < 0)
        return -1;
    *out = (int64_t)timegm(&tm) - (*rest == '-' ? -zone : zone);
    return 0;
}

void age_add(struct str *out, int64_t s)
{
    if (s < 0)
        s = 0;
    if (s < 100)
        str_addf(out, "%" PRId64 "s", s);
    else if (s < 100 * 60)
        str_addf(out, "%" PRId64 "m", s / 60);
    else if (s < 48 * 3600)
        str_addf(out, "%" PRId64 "h", s / 3600);
    else
        str_addf(out, "%" PRId64 "d", s / 86400);
}

/* ---- states -----------------------------------------------------------------------------------
 */

static const struct {
    const char *word, *sgr;
} meanings[] = {
    {"Synced", "32"},     {"Present", "32"}, {"succeeded", "32"}, {"connected", "32"},
    {"released", "32"},   {"done", "32"},    {"skipped", "32"},   {"Progressing", "36"},
    {"Mirroring", "36"},  {"running", "36"}, {"leased", "36"},    {"publishing", "36"},
    {"Degraded", "31"},   {"failed", "31"},  {"refused", "31"},   {"disconnected", "31"},
    {"lost", "31"},       {"error", "31"},   {"revoked", "31"},   {"OutOfSync", "33"},
    {"Absent", "33"},     {"waiting", "33"}, {"ready", "33"},     {"draining", "33"},
    {"never-seen", "33"}, {"warning", "33"}, {"submitted", "33"}, {"resting", "33"},
};

void state_add(struct str *out, const char *state, const struct style *style)
{
    const char *sgr = NULL;

    for (size_t i = 0; style->colour && i < ARRAY_SIZE(meanings); i++)
        if (strcmp(meanings[i].word, state) == 0)
            sgr = meanings[i].sgr;
    if (sgr)
        str_addf(out, "\033[%sm", sgr);
    text_add_safe(out, state);
    if (sgr)
        str_add(out, "\033[0m");
}

/* ---- cells ------------------------------------------------------------------------------------
 */

static void add_plain(struct str *out, const json_t *v)
{
    size_t i;
    json_t *item;

    if (json_is_string(v)) {
        text_add_safe(out, json_string_value(v));
    } else if (json_is_integer(v)) {
        str_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_real(v)) {
        str_addf(out, "%g", json_real_value(v));
    } else if (json_is_boolean(v)) {
        str_add(out, json_is_true(v) ? "yes" : "no");
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, item)
        {
            str_add(out, i ? "," : "");
            add_plain(out, item);
        }
    } else if (json_is_object(v)) {
        char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);

        text_add_safe(out, text);
        free(text);
    }
}

static void add_cell(struct str *out, const json_t *v, enum cell cell, const struct style *style)
{
    const char *text = json_string_value(v);
    int64_t t;

    if (cell == CELL_AGE && style->terminal && text && time_parse(text, &t) == 0)
        age_add(out, style->now - t);
    else if (cell == CELL_DIGEST && style->terminal && text && str_starts(text, "sha256:"))
        str_addf(out, "%.12s", text + 7);
    else
        add_plain(out, v);
}

static int width_of(const char *text)
{
    size_t n = strlen(text);
    int width = 0;
    uint32_t cp;

    for (size_t i = 0; i < n; width++)
        i += utf8_next(text + i, n - i, &cp);
    return width;
}

/* Cuts to `width` characters, the last of them "…". */
static void cut(struct str *s, int width)
{
    size_t i = 0;
    uint32_t cp;

    if (width < 1 || width_of(s->p) <= width)
        return;
    for (int k = 0; k < width - 1; k++)
        i += utf8_next(s->p + i, s->len - i, &cp);
    s->len = i;
    s->p[i] = '\0';
    str_add(s, "…");
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static size_t count_columns(const struct column *columns)
{
    size_t n = 0;

    while (columns[n].title)
        n++;
    return n;
}

static void add_blanks(struct str *out, int n)
{
    while (n-- > 0)
        str_addch(out, ' ');
}

static void add_padded(struct str *out, struct str *cell, const struct column *c, int width,
                       bool last, const struct style *style)
{
    int blanks = width - width_of(cell->p);

    if (c->cell == CELL_NUMBER)
        add_blanks(out, blanks);
    if (c->cell == CELL_STATE)
        state_add(out, cell->p, style);
    else
        str_addmem(out, cell->p, cell->len);
    if (!last)
        add_blanks(out, GAP + (c->cell == CELL_NUMBER ? 0 : blanks));
}

static void trim_end(struct str *out)
{
    while (out->len && out->p[out->len - 1] == ' ')
        out->p[--out->len] = '\0';
}

/* What is left of the terminal for the last column. */
static int last_width(const int *width, size_t n, const struct style *style)
{
    int used = 0;

    for (size_t i = 0; i + 1 < n; i++)
        used += width[i] + GAP;
    return style->width - used > 12 ? style->width - used : 12;
}

void render_table(const json_t *rows, const struct column *columns, const struct style *style,
                  const char *none, struct str *out)
{
    size_t n = count_columns(columns), m = json_array_size(rows);
    struct str *cells = xcalloc(n * (m + 1), sizeof *cells);
    int *width = xcalloc(n, sizeof *width);

    for (size_t i = 0; i < n * (m + 1); i++) {
        const struct column *c = &columns[i % n];

        str_init(&cells[i]);
        if (i < n)
            str_add(&cells[i], c->title);
        else
            add_cell(&cells[i], json_object_get(json_array_get(rows, i / n - 1), c->key), c->cell,
                     style);
        if (width_of(cells[i].p) > width[i % n])
            width[i % n] = width_of(cells[i].p);
    }
    for (size_t i = 0; m && i < n * (m + 1); i++) {
        bool last = i % n == n - 1;

        if (last && style->width)
            cut(&cells[i], last_width(width, n, style));
        add_padded(out, &cells[i], &columns[i % n], width[i % n], last, style);
        if (last) {
            trim_end(out);
            str_addch(out, '\n');
        }
    }
    if (m == 0)
        str_addf(out, "%s\n", none);
    for (size_t i = 0; i < n * (m + 1); i++)
        str_release(&cells[i]);
    free(cells);
    free(width);
}

void render_fields(const json_t *row, const struct column *columns, const struct style *style,
                   struct str *out)
{
    int width = 0;

    for (const struct column *c = columns; c->title; c++)
        if (width_of(c->title) > width)
            width = width_of(c->title);
    for (const struct column *c = columns; c->title; c++) {
        BF_CLEANUP(str_release) struct str cell = STR_INIT;
        const json_t *v = json_object_get(row, c->key);

        if (!v || json_is_null(v))
            continue;
        add_cell(&cell, v, c->cell, style);
        str_addf(out, "%s:", c->title);
        add_blanks(out, width - width_of(c->title) + 1);
        if (c->cell == CELL_STATE)
            state_add(out, cell.p, style);
        else
            str_addmem(out, cell.p, cell.len);
        str_addch(out, '\n');
    }
}
