"""Ways in which one commit changes a repository.Repository: each changes one thing and returns True, or does not apply and returns False.

Every change leaves a repository without errors: no image loses what it is built from.
"""
from repository import FOLDERS, REFS, Definition


def plain(repo, keep=True):
    return [p for p, (mode, _) in repo.files.items()
            if mode != "120000" and not p.startswith("args/") and not p.endswith(".inc")
            and not (keep and p.endswith("/keep"))]


def file_content(repo):
    path = repo.rng.choice(plain(repo, keep=False))
    repo.put(path, mode=repo.files[path][0])
    return True


def file_added(repo):
    d = repo.rng.choice(repo.defs)
    repo.put(repo.rng.choice([f"{d.dir}/sub/n{repo.fresh()}", f"{d.dir}/n{repo.fresh()}.md", f"docs/n{repo.fresh()}",
                              *(f"{f}/n{repo.fresh()}.conf" for f in FOLDERS)]))
    return True


def file_removed(repo):
    fit = [p for p in plain(repo) if "/tests/" not in p]
    del repo.files[repo.rng.choice(fit)]
    return True


def mode_bit(repo):
    path = repo.rng.choice(plain(repo, keep=False))
    mode, text = repo.files[path]
    repo.files[path] = ("100755" if mode == "100644" else "100644", text)
    return True


def link_target(repo):
    fit = [d for d in repo.defs if f"{d.dir}/in" in repo.files]
    if not fit:
        return False
    d = repo.rng.choice(fit)
    path, to = repo.rng.choice([
        ("in", "f0"), ("in", "f1"), ("in", "sub"), ("in", "nowhere"), ("in", "/etc/passwd"),
        *(("out", repo.way_out(d, f"shared/x{k}.conf")) for k in range(3)),
        *(("folder", repo.way_out(d, f)) for f in FOLDERS)])
    changed = repo.files[f"{d.dir}/{path}"][1] != to
    repo.put(f"{d.dir}/{path}", to, "120000")
    return changed


def link_or_file(repo):
    fit = [d for d in repo.defs if f"{d.dir}/in" in repo.files]
    if not fit:
        return False
    path = f"{repo.rng.choice(fit).dir}/in"
    if repo.files[path][0] == "120000":
        repo.put(path)
    else:
        repo.put(path, "f0", "120000")
    return True


def argument(repo):
    fit = [d for d in repo.defs if d.settings.get("args")]
    if not fit:
        return False
    repo.rng.choice(fit).settings["args"][repo.rng.choice(["USED", "UNUSED"])] = str(repo.fresh())
    return True


def argument_file(repo):
    value = repo.fresh()
    repo.put(f"args/a{repo.rng.randrange(2)}.conf",
             repo.rng.choice([f"USED={value}\nUNUSED=u\n", f"UNUSED={value}\n", f"# {value}\nUSED=same\n"]))
    return True


def folder_argument(repo):
    if not repo.folder_args:
        return False
    repo.folder_args[repo.rng.choice(sorted(repo.folder_args))] = str(repo.fresh())
    return True


def ignore_file(repo):
    fit = [d for d in repo.defs if d.ignore_name]
    if not fit or repo.rng.random() < 0.2:
        repo.root_ignore = repo.rng.sample(["docs", "shared/x1.conf", "**/*.tmp", "common", "!common/x0.conf"], 2)
        return True
    d = repo.rng.choice(fit)
    if repo.rng.random() < 0.2:
        d.ignore_name = repo.rng.choice(["own", "containerignore", "dockerignore"])
    pattern = repo.rng.choice(["*.md", "sub", "!sub/a", "**/*.tmp", "f?", "notes.md", "sub/**/c", "Containerfile*", "# a comment"])
    if pattern in d.ignore:
        d.ignore.remove(pattern)
    else:
        d.ignore.append(pattern)
    return True


def notes(repo):
    """A file that most ignore files name."""
    fit = [d for d in repo.defs if d.ignore_name]
    if fit:
        repo.put(f"{repo.rng.choice(fit).dir}/notes.md")
    return bool(fit)


def include(repo):
    fit = [d for d in repo.defs if d.included]
    if fit:
        repo.put(f"{fit[0].dir}/{fit[0].included}", f"RUN part {repo.fresh()}\n")
    return bool(fit)


def target(repo):
    fit = [d for d in repo.defs if d.target]
    if fit:
        repo.rng.choice(fit).target = repo.rng.choice(["one", "two", "three"])
    return bool(fit)


def matrix_cell(repo):
    fit = [d for d in repo.defs if d.sites]
    if not fit:
        return False
    d, cell = repo.rng.choice(fit), repo.rng.choice(["b", "c", "d"])
    one, other = (d.sites, d.include) if repo.rng.random() < 0.6 else (d.include, d.sites)
    if cell in one:
        one.remove(cell)
    elif cell not in other:
        one.append(cell)
    else:
        return False
    return True


def named_context(repo):
    fit = [d for d in repo.defs if d.settings.get("contexts")]
    if fit:
        repo.rng.choice(fit).settings["contexts"]["extra"] = "/" + repo.rng.choice(FOLDERS)
    return bool(fit)


def parent(repo):
    d = repo.rng.choice(repo.defs)
    stage = repo.rng.choice(d.stages)
    if isinstance(stage.base, str) and stage.base not in REFS:
        return False
    stage.base = repo.base_for(d)
    return True


def needed_image(repo):
    d = repo.rng.choice([d for d in repo.defs if d.arch == ["amd64"]])
    other = repo.parent_for(d)
    d.needs = [] if d.needs or other is None else [other]
    return True


def sources(repo):
    d = repo.rng.choice(repo.defs)
    repo.rng.choice(d.stages).copies = repo.rng.sample(["f0", "f1", "sub", "notes.md", "f[0-2]" if d.dir else ""], 2)
    return True


def test_script(repo):
    fit = [d for d in repo.defs if "scripts" in d.settings.get("test", {})]
    if not fit:
        return False
    d = repo.rng.choice(fit)
    path = f"{d.dir}/tests/{repo.rng.choice('abc')}.sh"
    if path in repo.files and not path.endswith("a.sh") and repo.rng.random() < 0.5:
        del repo.files[path]
    else:
        repo.put(path, mode=repo.rng.choice(["100644", "100755"]))
    return True


def test_setting(repo):
    d = repo.rng.choice(repo.defs)
    key, value = repo.rng.choice([("boot", "yes"), ("boot", "no"), ("memory", "3GiB"), ("cpus", 1), ("ready", "graphical.target"),
                                  ("container", [f"echo {repo.fresh()}"]), ("timeout", "20m")])
    d.settings.setdefault("test", {})[key] = value
    return True


def publish_setting(repo):
    d = repo.rng.choice(repo.defs)
    key, value = repo.rng.choice([("tags", ["{ref}", f"t{repo.fresh()}"]), ("when", "manual"), ("partial", True), ("tags", ["x", "{ref}"])])
    d.settings.setdefault("publish", {})[key] = value
    return True


def default_tags(repo):
    repo.defaults["publish"] = {"tags": ["{ref}", f"d{repo.fresh()}"]}
    return True


def build_setting(repo):
    d = repo.rng.choice(repo.defs)
    key, value = repo.rng.choice([("network", "none"), ("network", "host"), ("secrets", [f"s{repo.fresh()}"]), ("cache", False)])
    d.settings.setdefault("build", {})[key] = value
    return True


def what_changes_nothing(repo):
    d = repo.rng.choice(repo.defs)
    n = repo.fresh()
    key, value = repo.rng.choice([("priority", n % 900), ("mirror", {"sites": [f"s{n}*"]}), ("rebuild", {"every": f"{n}h"}),
                                  ("place", {"needs": [f"n{n}"]}), ("version", f"1.{n}")])
    d.settings[key] = value
    if repo.rng.random() < 0.5:
        d.settings.setdefault("build", {})["timeout"] = f"{n}m"
    return True


def comment(repo):
    repo.rng.choice(repo.defs).comment = repo.fresh()
    return True


def definition_added(repo):
    repo.add_definition()
    return True


def definition_removed(repo):
    """A folder of one definition that nothing is built from, with its files or without."""
    used = {id(p) for d in repo.defs for p in d.parents()}
    fit = [d for d in repo.defs if id(d) not in used and not d.stem]
    if len(fit) < 3:
        return False
    d = repo.rng.choice(fit)
    repo.defs.remove(d)
    for path in [p for p in repo.files if p.startswith(d.dir + "/")]:
        del repo.files[path]
    return True


ALL = [file_content, file_content, file_content, file_added, file_removed, mode_bit, link_target, link_or_file, argument, argument_file,
       folder_argument, ignore_file, notes, include, target, matrix_cell, named_context, parent, needed_image, sources, test_script, test_setting,
       publish_setting, default_tags, build_setting, what_changes_nothing, comment, definition_added, definition_removed]


def change(repo, only=None):
    """Makes one change; its name."""
    for _ in range(1000):
        f = repo.rng.choice([c for c in ALL if only is None or c.__name__ in only])
        if f(repo):
            return f.__name__
    raise RuntimeError(f"none of {only} applies")
