#include "scheduler/plan/names.h"

#include "common/base/str.h"
#include "scheduler/plan/reference.h"
#include <ctype.h>

static const char *const vocabulary[] = {"dir",     "stem", "repo",     "name",
                                         "version", "ref",  "commit12", "build"};

enum lookup { FOUND, NO_VALUE, NO_SUCH };

static enum lookup from_cell(const struct names *n, const char *key, const char **value)
{
    for (size_t i = 0; n->cell != NULL && i < n->cell->n; i++) {
        if (strcmp(n->cell->v[i].name, key) == 0) {
            *value = n->cell->v[i].value.text;
            return FOUND;
        }
    }
    return NO_VALUE;
}

static enum lookup find(const struct names *n, const char *word, const char **value)
{
    const char *const values[] = {n->dir,     n->stem, n->repo, n->name,
                                  n->version, n->ref,  NULL,    NULL};
    if (str_starts(word, "matrix."))
        return from_cell(n, word + strlen("matrix."), value);
    for (size_t i = 0; i < ARRAY_SIZE(vocabulary); i++) {
        if (strcmp(vocabulary[i], word) == 0) {
            *value = values[i];
            return values[i] != NULL ? FOUND : NO_VALUE;
        }
    }
    return NO_SUCH;
}

/* Length of a "{word}" at p, braces included; 0 when it is none. */
static size_t placeholder(const char *p)
{
    size_t n = 1;
    while (isalnum((unsigned char)p[n]) || (p[n] != '\0' && strchr("._-", p[n]) != NULL))
        n++;
    return n > 1 && p[n] == '}' ? n + 1 : 0;
}

static const char *nearest_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(vocabulary); i++) {
        if (edit_distance(word, vocabulary[i]) <= 2)
            return vocabulary[i];
    }
    return NULL;
}

static void report(struct arena *a, const struct text_at *t, const char *word, enum lookup why,
                   struct diags *errors)
{
    const char *near = why == NO_SUCH ? nearest_word(word) : NULL;
    const char *hint = near != NULL ? arena_fmt(a, "did you mean {%s}?", near) : NULL;
    if (why == NO_VALUE && str_starts(word, "matrix."))
        hint = "name an axis of `matrix` or a key of its `include`";
    diag_add(errors, t->at, "placeholder", hint,
             why == NO_SUCH ? "there is no placeholder {%s}" : "{%s} has no value here", word);
}

const char *names_expand(struct arena *a, const struct text_at *t, const struct names *n,
                         enum names_mode mode, struct diags *errors)
{
    struct str out = STR_INIT;
    const char *result = NULL;
    if (strchr(t->text, '{') == NULL)
        return t->text;
    for (const char *p = t->text; *p != '\0';) {
        size_t len = *p == '{' ? placeholder(p) : 0;
        if (len == 0) {
            str_addch(&out, *p++);
            continue;
        }
        const char *word = arena_strn(a, p + 1, len - 2), *value = NULL;
        enum lookup found = find(n, word, &value);
        if (found == NO_VALUE || (found == NO_SUCH && mode == NAMES_STRICT)) {
            report(a, t, word, found, errors);
            goto done;
        }
        if (found == FOUND)
            str_add(&out, value);
        else
            str_addmem(&out, p, len);
        p += len;
    }
    result = arena_strn(a, out.p, out.len);
done:
    str_release(&out);
    return result;
}

/* What the scheduler fills in later; 0: nothing of that kind. */
static size_t filled_length(const char *word)
{
    if (strcmp(word, "commit12") == 0)
        return 12;
    return strcmp(word, "build") == 0 ? strlen("2147483647") : 0;
}

/* Characters that remain for the rest of a tag. */
static size_t room_beside_filled(struct arena *a, const char *tag)
{
    size_t taken = 0;
    for (const char *p = strchr(tag, '{'); p != NULL; p = strchr(p + 1, '{')) {
        size_t len = placeholder(p);
        if (len > 0)
            taken += filled_length(arena_strn(a, p + 1, len - 2));
    }
    return taken < REGISTRY_TAG_MAX ? REGISTRY_TAG_MAX - taken : 0;
}

static void add_clean(struct str *out, const char *text, size_t n, size_t *room)
{
    for (size_t i = 0; i<n && * room> 0; i++, --*room)
        str_addch(out, registry_tag_char(text[i]));
}

enum tag_result names_expand_tag(struct arena *a, const struct text_at *t, const struct names *n,
                                 struct diags *errors, const char **out)
{
    struct str text = STR_INIT;
    enum tag_result result = TAG_ERROR;
    size_t room = room_beside_filled(a, t->text);
    for (const char *p = t->text; *p != '\0';) {
        size_t len = *p == '{' ? placeholder(p) : strcspn(p, "{");
        if (*p != '{' || len == 0) {
            len += len == 0; /* a lone brace */
            add_clean(&text, p, len, &room);
            p += len;
            continue;
        }
        const char *word = arena_strn(a, p + 1, len - 2), *value = NULL;
        enum lookup found = find(n, word, &value);
        p += len;
        if (filled_length(word) > 0) {
            str_addf(&text, "{%s}", word);
        } else if (found == FOUND) {
            add_clean(&text, value, strlen(value), &room);
        } else if (strcmp(word, "version") == 0) {
            result = TAG_UNSET;
            goto done;
        } else {
            report(a, t, word, found, errors);
            goto done;
        }
    }
    if (text.len == 0) {
        diag_add(errors, t->at, "bad-value", "leave the tag out", "a tag is not empty");
    } else {
        if (*text.p == '.' || *text.p == '-')
            *text.p = '_';
        *out = arena_strn(a, text.p, text.len);
        result = TAG_OK;
    }
done:
    str_release(&text);
    return result;
}
