#include "worker/core/blame.h"

static const struct {
    const char *code, *class;
} table[BLAME_COUNT] = {[BLAME_NONE] = {"", ""},
#define X(member, code_text, class_text) [BLAME_##member] = {code_text, class_text},
                        BLAME_LIST(X)
#undef X
};

const char *blame_code(enum blame b)
{
    return table[b].code;
}

const char *blame_class(enum blame b)
{
    return table[b].class;
}
