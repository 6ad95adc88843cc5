#include "common/base/conf_value.h"
#include <ctype.h>
#include <stdio.h>

static const char *type_word(enum conf_type type)
{
    switch (type) {
    case CONF_STRING:
        return "TEXT";
    case CONF_PATH:
        return "PATH";
    case CONF_BOOL:
        return "BOOL";
    case CONF_INT:
        return "NUMBER";
    case CONF_DURATION:
        return "DURATION";
    case CONF_SIZE:
        return "SIZE";
    case CONF_ENUM:
        return "WORD";
    case CONF_LIST:
        return "LIST";
    }
    BUG("option type %d", (int)type);
}

static void print_option(const struct conf_option *o)
{
    BF_CLEANUP(str_release) struct str expected = STR_INIT;

    fputs("  --", stdout);
    for (const char *p = o->name; *p; p++)
        putchar(*p == '_' ? '-' : *p);
    printf("=%s\n        %s\n", type_word(o->type), o->help);
    conf_expected(o, &expected);
    printf("        %c%s;", toupper((unsigned char)expected.p[0]), expected.p + 1);
    if (o->required)
        fputs(" required", stdout);
    else
        printf(" default: %s", o->def && *o->def ? o->def : "none");
    puts(o->reloadable ? "; re-read on SIGHUP" : "");
}

void conf_print_help(const struct conf *c)
{
    printf("Usage: %s [OPTION...]%s%s\n%s\n\n", c->program, c->positional ? " " : "",
           c->positional ? c->positional : "", c->summary);
    puts("Options (in the configuration file: name = value, with _ for -):");
    for (const struct conf_option *o = c->options; o->name; o++)
        print_option(o);
    puts("  --config=FILE\n        Read options from FILE first");
    puts("  --help\n        Print this text and exit");
    puts("  --version\n        Print the version and exit");
}
