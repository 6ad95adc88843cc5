"""What each image of a repository.Repository depends on, found the slow way: all of it, written down, once for each image.

Independent of the planner: it reads no Containerfile, diffs nothing, hashes nothing and remembers nothing from one commit to the next.
`forget` names things that it leaves out, so that a test can see that the comparison notices.
"""
import posixpath
import re
from fnmatch import fnmatchcase

from repository import Definition


def ignored(patterns, path):
    out = False
    for p in patterns:
        back, p = p.startswith("!"), p.lstrip("!")
        regex = "".join({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(t) or re.escape(t)
                        for t in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", p))
        if re.fullmatch(regex + "(?:/.*)?", path):
            out = not back
    return out


def covered(source, path):
    """The pattern matches the path or a folder above it."""
    have, want = path.split("/"), source.rstrip("/").split("/")
    return source == "." or (len(have) >= len(want) and all(map(fnmatchcase, have, want)))


class Model:
    def __init__(self, repo, forget=()):
        self.repo, self.tree, self.forget = repo, repo.tree(), forget
        self.configuration = {"bootfarm.yaml", *(d.settings_file for d in repo.defs),
                              *(f"{d.dir}/image.yaml" for d in repo.defs)}
        self.known = {}

    # ---- files ----

    def content(self, path):
        mode, text = self.tree[path]
        return (None if "mode" in self.forget else mode, None if "content" in self.forget else text)

    def target(self, path):
        """What a link leads to, in the tree; None: nothing."""
        at = posixpath.normpath(posixpath.join(posixpath.dirname(path), self.tree[path][1]))
        folder = any(p.startswith(at + "/") for p in self.tree)
        return at if at in self.tree or folder else None

    def shipped(self, d, sources, scripts):
        root = "" if d.settings.get("context") == "/" else d.dir + "/"
        patterns = self.ignore(d)

        def wanted(path):
            return (path.startswith(root) and path not in self.configuration and path not in scripts
                    and not ignored(patterns, path[len(root):]))

        out = {}
        todo = [p for p in self.tree if wanted(p) and any(covered(s, p[len(root):]) for s in sources)]
        while todo:
            path = todo.pop()
            at = self.target(path) if self.tree[path][0] == "120000" else None
            if path in out:
                continue
            if at is None or (at + "/").startswith(root):  # a file, or a link that stays
                out[path] = self.content(path)
                todo += [p for p in self.tree if at and wanted(p) and (p == at or p.startswith(at + "/"))]
            elif at in self.tree:  # a link that leads out: what is there
                out[path] = self.content(at)
            else:
                out.update({path + p[len(at):]: self.content(p) for p in self.tree if p.startswith(at + "/")})
        inside = d.file.startswith(root) and wanted(d.file)
        if d.included:  # what is made of it travels, at a place of its own
            part = self.tree[f"{d.dir}/{d.included}"][1] if "include" not in self.forget else ""
            return root, sorted(out.items()), self.tree[d.file][1].replace(f'#include "{d.included}"\n', part)
        return root, sorted(out.items()), inside, self.tree[d.file][1]

    def ignore(self, d):
        root = d.settings.get("context") == "/"
        if d.ignore_name == "own" or (d.ignore_name and not root):
            return d.ignore if "ignore" not in self.forget else []
        return self.repo.root_ignore if root else []

    def below(self, folder):
        return sorted((p[len(folder):], self.content(p)) for p in self.tree if p.startswith(folder + "/"))

    # ---- what the stages need ----

    def reached(self, d):
        names = {s.name: s for s in d.stages}
        todo, out = [names[d.target] if d.target and "target" not in self.forget else d.stages[-1]], []
        while todo:
            s = todo.pop()
            if s not in out:
                out.append(s)
                todo += [names[n] for n in [s.base, *s.of_stages] if isinstance(n, str) and n in names]
        return out

    def triggers(self, stage):
        parent = stage.base
        if not isinstance(parent, Definition):
            return []
        final = next((s for s in parent.stages if s.name == parent.target), parent.stages[-1])
        return final.onbuild

    def arguments(self, d, cell, declared):
        given = {}
        for path in d.settings.get("args_files", []):
            for line in self.tree[path[1:]][1].splitlines():
                name, _, value = line.partition("=")
                given[name] = value
        given.update({"COMMON": self.repo.folder_args[d.dir]} if d.dir in self.repo.folder_args else {})
        given.update(d.settings.get("args", {}))
        if cell:
            given["SITE"] = cell
        return sorted((k, v) for k, v in given.items() if k in declared and "args" not in self.forget)

    # ---- the three keys ----

    def scripts(self, d):
        if not d.settings.get("test", {}).get("scripts"):
            return []
        return [p for p in self.tree if re.fullmatch(re.escape(d.dir) + r"/tests/[^/]*\.sh", p)]

    def recipe(self, d, cell, arch):
        key = (id(d), cell, arch)
        if key in self.known:
            return self.known[key]
        stages = self.reached(d)
        sources = [c if "$" not in c else "."  # the base image's environment goes before the argument
                   for s in stages for c in s.copies + self.triggers(s)]
        images = [x for s in stages for x in [s.base, *s.of_images] if isinstance(x, Definition)]
        build = d.settings.get("build", {})
        parts = (arch, self.shipped(d, sources, self.scripts(d)),
                 self.arguments(d, cell, {a for s in stages for a in s.declares}),
                 d.target if "target" not in self.forget else None,
                 [(n, self.below(f[1:])) for n, f in sorted(d.settings.get("contexts", {}).items())],
                 [self.below(g[1:-len("/**")]) for g in d.settings.get("inputs", []) if "inputs" not in self.forget],
                 build.get("network", "host"), sorted(build.get("secrets", [])), build.get("cache", True),
                 [x.reference() for x in d.needs],
                 [self.recipe(x, x.cells()[0], arch) for x in images + d.needs] if "parent" not in self.forget else [])
        return self.known.setdefault(key, hash(repr(parts)))

    def tests(self, d):
        t = d.settings.get("test", {})
        return repr([t.get("boot", "auto"), t.get("container", []), t.get("ready"), t.get("memory"), t.get("cpus"),
                     [self.content(p) + (p,) for p in self.scripts(d)] if "scripts" not in self.forget else 0])

    def publish(self, d):
        p = d.settings.get("publish", {})
        tags = p.get("tags") or self.repo.defaults.get("publish", {}).get("tags") or ["{ref}"]
        return repr([sorted(set(tags)), p.get("when", "tested"), p.get("partial", False)])

    def keys(self):
        """(name, arch) → (recipe, tests, publish), of every image."""
        return {(d.name(cell), arch): (self.recipe(d, cell, arch), self.tests(d), self.publish(d))
                for d in self.repo.defs for cell in d.cells() for arch in d.arch}


def jobs(before, now):
    """What must run: (builds, tests, publishes)."""
    builds = {i for i in now if i not in before or now[i][0] != before[i][0]}
    tests = builds | {i for i in now if i in before and now[i][1] != before[i][1]}
    publishes = {i[0] for i in tests} | {i[0] for i in now if i in before and now[i][2] != before[i][2]}
    return builds, tests, publishes
