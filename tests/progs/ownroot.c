/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a way out of a chroot for what does not work in one (user namespaces, pivot_root(2)):
 * ownroot CMD... runs it in a mount namespace whose root is what is the root here.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int check(long ret, const char *what)
{
	if (ret < 0)
		err(125, "%s", what);
	return (int)ret;
}

int main(int argc, char **argv)
{
	char *cwd = getcwd(NULL, 0);
	int root, own, tree;

	if (argc < 2 || !cwd)
		errx(125, "usage: ownroot CMD...");
	check(unshare(CLONE_NEWNS), "unshare");
	root = check(open("/", O_PATH | O_CLOEXEC), "/");
	own = check(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), "/proc/self/ns/mnt");
	/* This leads to the namespace's root, whatever was ours. */
	check(setns(own, CLONE_NEWNS), "setns");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
	tree = check(syscall(SYS_open_tree, root, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE),
		     "open_tree");
	check(syscall(SYS_move_mount, tree, "", root, "",
		      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
	      "move_mount");
	check(fchdir(tree), "fchdir");
	check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	check(umount2(".", MNT_DETACH), "umount");
	check(chdir(cwd), cwd);
	execvp(argv[1], argv + 1);
	err(127, "%s", argv[1]);
}
