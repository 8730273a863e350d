"""Answers to the save that survives as learners write them: wrong with their hint, and right."""


def with_finally(disk, content):
    ok = False
    try:
        disk.write("checkpoint.partial", content)
        disk.sync("checkpoint.partial")
        ok = True
    finally:
        if not ok:
            disk.remove("checkpoint.partial")
    disk.rename("checkpoint.partial", "checkpoint")


def clears_up_first(disk, content):
    for name in disk.names():
        if name != "checkpoint":
            disk.remove(name)
    with_finally(disk, content)


def under_another_name(disk, content):
    try:
        disk.write("next", content)
    except OSError:
        disk.remove("next")
        raise
    disk.sync("next")
    disk.rename("next", "checkpoint")
    for name in disk.names():
        if name != "checkpoint":
            disk.remove(name)


def reads_it_back(disk, content):
    """Written, synced and compared before it gets the name."""
    partial = "checkpoint.partial"
    try:
        disk.write(partial, content)
        disk.sync(partial)
        if disk.read(partial) != content:
            raise OSError("the disk gave back something else")
    except OSError as error:
        disk.remove(partial)
        raise error
    disk.rename(partial, "checkpoint")


def straight(disk, content):
    disk.write("checkpoint", content)
    disk.sync("checkpoint")


def out_with_the_old(disk, content):
    partial = "checkpoint.partial"
    try:
        disk.write(partial, content)
        disk.sync(partial)
    except OSError:
        disk.remove(partial)
        raise
    if "checkpoint" in disk.names():
        disk.remove("checkpoint")
    disk.rename(partial, "checkpoint")


def no_sync(disk, content):
    try:
        disk.write("checkpoint.partial", content)
    except OSError:
        disk.remove("checkpoint.partial")
        raise
    disk.rename("checkpoint.partial", "checkpoint")


def sync_at_the_end(disk, content):
    no_sync(disk, content)
    disk.sync("checkpoint")


def only_beside(disk, content):
    try:
        disk.write("checkpoint.partial", content)
        disk.sync("checkpoint.partial")
    except OSError:
        disk.remove("checkpoint.partial")
        raise


def copies_over(disk, content):
    only_beside(disk, content)
    disk.write("checkpoint", disk.read("checkpoint.partial"))
    disk.sync("checkpoint")
    disk.remove("checkpoint.partial")


def says_nothing(disk, content):
    try:
        only_beside(disk, content)
    except OSError:
        return
    disk.rename("checkpoint.partial", "checkpoint")


def never_clears_up(disk, content):
    disk.write("checkpoint.partial", content)
    disk.sync("checkpoint.partial")
    disk.rename("checkpoint.partial", "checkpoint")


def sacrifices_the_old_one(disk, content):
    try:
        disk.write("checkpoint.partial", content)
    except OSError:
        disk.remove("checkpoint")
        disk.write("checkpoint.partial", content)
    disk.sync("checkpoint.partial")
    disk.rename("checkpoint.partial", "checkpoint")


def tries_for_ever(disk, content):
    while True:
        try:
            disk.write("checkpoint.partial", content)
            break
        except OSError:
            disk.remove("checkpoint.partial")
    disk.sync("checkpoint.partial")
    disk.rename("checkpoint.partial", "checkpoint")


WRONG = {
    straight: "You write over the old file",
    out_with_the_old: "remove the old file before",
    no_sync: "You never sync",
    sync_at_the_end: "sync after the rename",
    only_beside: "You never rename",
    copies_over: "copy the partial file over",
    says_nothing: "return as if all were well",
    never_clears_up: "leave the partial file there",
    sacrifices_the_old_one: "to make room",
    tries_for_ever: "is there a loop?",
}
RIGHT = [with_finally, clears_up_first, under_another_name, reads_it_back]
