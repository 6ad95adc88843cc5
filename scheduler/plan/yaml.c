#include "scheduler/plan/yaml.h"

#include "common/base/map.h"
#include "common/base/str.h"
#include <libfyaml.h>

/* A collection that is being read. */
struct frame {
    struct ynode *node;
    VEC(struct ypair) pairs;
    VEC(struct ynode *) items;
    bool has_key, is_merge;
    struct ypair key;
    struct ynode *merge; /* the value of "<<" */
};

struct builder {
    struct arena *a;
    struct diags *d;
    const char *file;
    struct fy_parser *parser;
    VEC(struct frame) stack;
    struct smap anchors;
    struct ynode *root;
    size_t nodes;
    bool failed;
};

/* What an alias finds while its anchor is still being read. */
static struct ynode unfinished;

static struct diag_at at_of(const struct builder *b, const struct fy_mark *m)
{
    return (struct diag_at){.file = b->file,
                            .line = m != NULL ? (unsigned)m->line + 1 : 1,
                            .column = m != NULL ? (unsigned)m->column + 1 : 1};
}

#define fail_hint(b, at, code, hint, ...) \
    ((b)->failed = true, (void)diag_add((b)->d, at, code, hint, __VA_ARGS__))
#define fail(b, at, code, ...) fail_hint(b, at, code, NULL, __VA_ARGS__)

static bool count_node(struct builder *b, struct diag_at at)
{
    if (++b->nodes <= YAML_MAX_NODES)
        return true;
    if (!b->failed)
        fail(b, at, "too-large", "more than %d values in one file", YAML_MAX_NODES);
    return false;
}

static const char *token_text(struct builder *b, struct fy_token *t)
{
    size_t n = 0;
    const char *p = t != NULL ? fy_token_get_text(t, &n) : NULL;
    return p != NULL ? arena_strn(b->a, p, n) : "";
}

static void set_anchor(struct builder *b, struct fy_token *anchor, struct ynode *node)
{
    if (anchor != NULL)
        smap_put(&b->anchors, token_text(b, anchor), node);
}

static bool pair_has(const struct frame *f, const char *key)
{
    for (size_t i = 0; i < f->pairs.n; i++) {
        if (strcmp(f->pairs.v[i].key, key) == 0)
            return true;
    }
    return false;
}

/* Keys of maps are few; a map so large that a quadratic search hurts is refused as a whole. */
#define MAP_MAX 2000

static void add_pair(struct builder *b, struct frame *f, struct ypair pair)
{
    if (!count_node(b, pair.at))
        return;
    if (f->pairs.n >= MAP_MAX)
        fail(b, pair.at, "too-large", "more than %d keys in one map", MAP_MAX);
    else
        *vec_push(&f->pairs) = pair;
}

static void merge_from(struct builder *b, struct frame *f, const struct ynode *source)
{
    if (source->kind != YNODE_MAP) {
        fail(b, source->at, "yaml", "a merge key (<<) takes a map or a list of maps");
        return;
    }
    for (size_t i = 0; i < source->n && !b->failed; i++) {
        if (!pair_has(f, source->pair[i].key))
            add_pair(b, f, source->pair[i]);
    }
}

static void finish_merge(struct builder *b, struct frame *f)
{
    struct ynode *m = f->merge;
    if (m == NULL)
        return;
    if (m->kind != YNODE_LIST) {
        merge_from(b, f, m);
        return;
    }
    for (size_t i = 0; i < m->n && !b->failed; i++)
        merge_from(b, f, m->item[i]);
}

/* A finished value goes into the collection around it. */
static void place(struct builder *b, struct ynode *node)
{
    if (b->stack.n == 0) {
        b->root = node;
        return;
    }
    struct frame *f = &b->stack.v[b->stack.n - 1];
    if (f->node->kind == YNODE_LIST) {
        *vec_push(&f->items) = node;
    } else if (!f->has_key) {
        fail(b, node->at, "yaml", "a key must be a plain word");
    } else {
        f->has_key = false;
        f->key.value = node;
        if (node->null) /* nothing stands nowhere: the key says where */
            node->at = f->key.at;
        if (f->is_merge)
            f->merge = node;
        else
            add_pair(b, f, f->key);
    }
}

static void take_key(struct builder *b, struct frame *f, struct ynode *node)
{
    f->has_key = true;
    f->is_merge = strcmp(node->text, "<<") == 0;
    f->key = (struct ypair){.key = node->text, .at = node->at};
    if (pair_has(f, node->text))
        fail_hint(b, node->at, "duplicate-key", "remove one of them",
                  "the key '%s' stands twice in this map", node->text);
}

static void on_scalar(struct builder *b, struct fy_event *ev)
{
    struct fy_token *t = ev->scalar.value;
    struct ynode *node = arena_alloc(b->a, sizeof *node);
    node->kind = YNODE_SCALAR;
    node->at = at_of(b, fy_event_start_mark(ev));
    node->text = token_text(b, t);
    enum fy_scalar_style style = t != NULL ? fy_token_scalar_style(t) : FYSS_PLAIN;
    bool plain = style == FYSS_PLAIN;
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
        node->at.column -= node->at.column > 1; /* the mark stands behind the quote */
    node->null = plain && (*node->text == '\0' || strcmp(node->text, "~") == 0 ||
                           strcmp(node->text, "null") == 0);
    if (!count_node(b, node->at))
        return;
    set_anchor(b, ev->scalar.anchor, node);
    struct frame *f = b->stack.n > 0 ? &b->stack.v[b->stack.n - 1] : NULL;
    if (f != NULL && f->node->kind == YNODE_MAP && !f->has_key)
        take_key(b, f, node);
    else
        place(b, node);
}

static void on_alias(struct builder *b, struct fy_event *ev)
{
    struct diag_at at = at_of(b, fy_event_start_mark(ev));
    const char *name = token_text(b, ev->alias.anchor);
    at.column -= at.column > 1; /* the mark stands behind the star */
    struct ynode *node = smap_get(&b->anchors, name);
    if (node == NULL)
        fail(b, at, "yaml", "there is no anchor &%s before this alias", name);
    else if (node == &unfinished)
        fail(b, at, "yaml", "the alias *%s stands inside its own anchor", name);
    else if (count_node(b, at))
        place(b, node);
}

static void on_open(struct builder *b, struct fy_event *ev, enum ynode_kind kind,
                    struct fy_token *anchor)
{
    struct diag_at at = at_of(b, fy_event_start_mark(ev));
    if (!count_node(b, at))
        return;
    if (b->stack.n >= YAML_MAX_DEPTH) {
        fail(b, at, "too-large", "nested more than %d deep", YAML_MAX_DEPTH);
        return;
    }
    struct frame *f = vec_push(&b->stack);
    *f = (struct frame){.node = arena_alloc(b->a, sizeof *f->node)};
    f->node->kind = kind;
    f->node->at = at;
    if (anchor != NULL) {
        f->node->text = token_text(b, anchor); /* until it is closed */
        smap_put(&b->anchors, f->node->text, &unfinished);
    }
}

static void frame_release(struct frame *f)
{
    vec_release(&f->pairs);
    vec_release(&f->items);
}

static void on_close(struct builder *b)
{
    struct frame f = vec_pop(&b->stack);
    struct ynode *node = f.node;
    if (node->text != NULL)
        smap_put(&b->anchors, node->text, node);
    node->text = NULL;
    if (node->kind == YNODE_MAP) {
        finish_merge(b, &f);
        arena_take(b->a, &f.pairs, &node->pair, &node->n);
    } else {
        arena_take(b->a, &f.items, &node->item, &node->n);
    }
    frame_release(&f);
    place(b, node);
}

static void on_event(struct builder *b, struct fy_event *ev)
{
    switch (ev->type) {
    case FYET_SCALAR:
        on_scalar(b, ev);
        break;
    case FYET_ALIAS:
        on_alias(b, ev);
        break;
    case FYET_MAPPING_START:
        on_open(b, ev, YNODE_MAP, ev->mapping_start.anchor);
        break;
    case FYET_SEQUENCE_START:
        on_open(b, ev, YNODE_LIST, ev->sequence_start.anchor);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        on_close(b);
        break;
    case FYET_DOCUMENT_START:
        if (b->root != NULL)
            fail_hint(b, at_of(b, fy_event_start_mark(ev)), "yaml",
                      "remove this line and what is below, or join both",
                      "only one document a file");
        break;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
}

/* libfyaml may place an error behind the end of the text. */
static void clamp(struct diag_at *at, const char *text, size_t n)
{
    unsigned lines = 1;
    for (size_t i = 0; i + 1 < n; i++)
        lines += text[i] == '\n';
    if (at->line <= lines)
        return;
    at->line = lines;
    at->column = 1;
}

static void report_syntax(struct builder *b, struct fy_diag *diag, const char *text, size_t n)
{
    void *pos = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &pos);
    struct diag_at at = {.file = b->file, .line = 1, .column = 1};
    if (e == NULL || e->msg == NULL) {
        fail(b, at, "yaml", "this is not YAML");
        return;
    }
    at.line = e->line >= 0 ? (unsigned)e->line + 1 : 1;
    at.column = e->column >= 0 ? (unsigned)e->column + 1 : 1;
    clamp(&at, text, n);
    size_t len = strcspn(e->msg, "\n");
    fail(b, at, "yaml", "%.*s", (int)(len > 300 ? 300 : len), e->msg);
}

static void run(struct builder *b, struct fy_diag *diag, const char *text, size_t n)
{
    struct fy_event *ev;
    while (!b->failed && (ev = fy_parser_parse(b->parser)) != NULL) {
        on_event(b, ev);
        fy_parser_event_free(b->parser, ev);
    }
    if (!b->failed && (fy_parser_get_stream_error(b->parser) || fy_diag_got_error(diag)))
        report_syntax(b, diag, text, n);
}

/* Whether it is UTF-8 without NUL; if not, *at is moved to the first byte that is wrong. */
static bool is_text(const char *text, size_t n, struct diag_at *at)
{
    for (size_t i = 0; i < n;) {
        size_t len = 1;
        while (len < 4 && i + len < n && !utf8_valid(text + i, len))
            len++;
        if (text[i] == '\0' || !utf8_valid(text + i, len))
            return false;
        at->line += text[i] == '\n';
        at->column = text[i] == '\n' ? 1 : at->column + (unsigned)len;
        i += len;
    }
    return true;
}

static struct fy_diag *diag_make(void)
{
    struct fy_diag_cfg cfg;
    fy_diag_cfg_default(&cfg);
    cfg.fp = NULL;
    cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&cfg);
    BUG_ON(diag == NULL);
    fy_diag_set_collect_errors(diag, true);
    return diag;
}

struct ynode *yaml_parse(struct arena *a, const char *file, const char *text, size_t n,
                         struct diags *d)
{
    struct builder b = {.a = a, .d = d, .file = arena_str(a, file)};
    struct diag_at start = {.file = b.file, .line = 1, .column = 1}, bad = start;
    if (n > YAML_MAX_BYTES) {
        fail(&b, start, "too-large", "larger than 1 MiB");
        return NULL;
    }
    if (!is_text(text, n, &bad)) {
        fail_hint(&b, bad, "yaml", "save the file as UTF-8", "this is not UTF-8 text");
        return NULL;
    }
    struct fy_diag *diag = diag_make();
    struct fy_parse_cfg cfg = {
        .search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag};
    b.parser = fy_parser_create(&cfg);
    BUG_ON(b.parser == NULL);
    if (fy_parser_set_string(b.parser, text, n) == 0)
        run(&b, diag, text, n);
    else
        report_syntax(&b, diag, text, n);
    fy_parser_destroy(b.parser);
    fy_diag_destroy(diag);
    vec_for_each (i, &b.stack)
        frame_release(&b.stack.v[i]);
    vec_release(&b.stack);
    smap_release(&b.anchors);
    if (b.failed)
        return NULL;
    if (b.root == NULL || b.root->null) {
        b.root = arena_alloc(a, sizeof *b.root);
        *b.root = (struct ynode){.kind = YNODE_MAP, .at = start};
    }
    return b.root;
}

struct ynode *ynode_get(const struct ynode *map, const char *key)
{
    if (map == NULL || map->kind != YNODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->pair[i].key, key) == 0)
            return map->pair[i].value;
    }
    return NULL;
}

static struct ypair *find_pair(struct ynode *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->pair[i].key, key) == 0)
            return &map->pair[i];
    }
    return NULL;
}

struct ynode *ynode_merge(struct arena *a, struct ynode *under, struct ynode *over, int levels)
{
    if (under == NULL || over == NULL)
        return over != NULL ? over : under;
    if (levels == 0 || under->kind != YNODE_MAP || over->kind != YNODE_MAP)
        return over;
    struct ynode *out = arena_alloc(a, sizeof *out);
    *out = *over;
    out->n = 0;
    out->pair = arena_array(a, under->n + over->n, sizeof *out->pair);
    for (; out->n < under->n; out->n++)
        out->pair[out->n] = under->pair[out->n];
    for (size_t i = 0; i < over->n; i++) {
        struct ypair *same = find_pair(out, over->pair[i].key);
        struct ypair merged = over->pair[i];
        if (same != NULL)
            merged.value = ynode_merge(a, same->value, merged.value, levels - 1);
        *(same != NULL ? same : &out->pair[out->n++]) = merged;
    }
    return out;
}
