/* graph.h - the farm's graph as a document for people and programs.
 *
 * A graph is {"nodes": [{"id", "kind", "name", "arch", "state"}], "edges": [{"from", "to"}]}, as
 * GET /v1/graph answers it. Every writer keeps its order, so equal graphs give equal texts. */
#ifndef BF_CTL_GRAPH_H
#define BF_CTL_GRAPH_H

#include "common/base/err.h"
#include "common/base/str.h"
#include <jansson.h>

/* What is left when only one image, by which it is meant repo:name@ref or the name alone, with all
 * that it is built from and all that is built from it is wanted. A new reference; NULL with
 * ERR_INPUT when there is no such image. */
json_t *graph_around(const json_t *graph, const char *image, struct err *e) BF_MUST_CHECK;

void graph_dot(const json_t *graph, struct str *out);
void graph_mermaid(const json_t *graph, struct str *out);

#endif
