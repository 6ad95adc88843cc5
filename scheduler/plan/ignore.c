#include "scheduler/plan/ignore.h"

#include "common/base/str.h"
#include "scheduler/plan/tree.h"

#define PATH_LIMIT 4096

/* Braces and commas are plain characters to Docker and choices to our globs. */
static const char *as_glob(struct arena *a, const char *p)
{
    struct str out = STR_INIT;
    for (; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            str_addch(&out, *p++);
        else if (*p == '{' || *p == '}' || *p == ',')
            str_addch(&out, '\\');
        str_addch(&out, *p);
    }
    const char *glob = arena_strn(a, out.p, out.len);
    str_release(&out);
    return glob;
}

static bool read_line(struct arena *a, char *line, struct ignore_pattern *out)
{
    line += strspn(line, " \t\r\f\v");
    size_t n = strlen(line);
    while (n > 0 && strchr(" \t\r\f\v", line[n - 1]) != NULL)
        line[--n] = '\0';
    if (*line == '\0' || *line == '#')
        return false;
    out->back = *line == '!';
    line += out->back;
    line += strspn(line, " \t");
    const char *clean = path_join(a, "", line);
    if (clean == NULL || *clean == '\0') /* "." and what leads out of the context match nothing */
        return false;
    out->plain = strpbrk(clean, "*?[\\") == NULL;
    out->text = out->plain ? clean : as_glob(a, clean);
    return true;
}

int ignore_parse(struct arena *a, const char *file, const char *text, struct diags *errors,
                 struct ignore *out)
{
    VEC(struct ignore_pattern) list = VEC_INIT;
    char *copy = arena_str(a, str_starts(text, "\xef\xbb\xbf") ? text + 3 : text);
    int rc = 0;
    unsigned number = 0;
    for (char *line = copy; line != NULL; number++) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        struct ignore_pattern p;
        if (read_line(a, line, &p)) {
            if (!p.plain && glob_match(p.text, "") < 0) {
                struct diag_at at = {.file = file, .line = number + 1, .column = 1};
                diag_add(errors, at, "bad-glob", NULL, "'%s' is not a valid pattern", line);
                rc = -1;
            } else {
                *vec_push(&list) = p;
            }
        }
        line = next;
    }
    arena_take(a, &list, &out->v, &out->n);
    return rc;
}

/* The pattern matches the path or a directory above it. */
static bool matches(const struct ignore_pattern *p, const char *path)
{
    if (p->plain)
        return path_below(p->text, path) != NULL;
    char part[PATH_LIMIT];
    for (size_t n = 0; n < sizeof part; n++) {
        if (path[n] == '/' || path[n] == '\0') {
            part[n] = '\0';
            if (glob_match(p->text, part) == 1)
                return true;
        }
        if (path[n] == '\0')
            return false;
        part[n] = path[n];
    }
    return false;
}

bool ignore_has(const struct ignore *g, const char *path)
{
    bool ignored = false;
    for (size_t i = 0; i < g->n; i++) {
        if (ignored == g->v[i].back && matches(&g->v[i], path))
            ignored = !ignored;
    }
    return ignored;
}
