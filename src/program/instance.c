/* SPDX-License-Identifier: MIT */
/* Instances: their names, locks and paths. */
#include "program/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"

#define LOCK_FILE   "lock"
#define SOCKET_FILE "control"

/* Each turn means that another instance was ending just then; more than a few is something else. */
enum { TURNS_MAX = 16 };

struct instance {
	char root[INSTANCE_PATH_SIZE];
	char name[INSTANCE_NAME_SIZE];
	char socket[INSTANCE_PATH_SIZE];
	int folder, lock;
};

void instance_roots_default(struct instance_roots *ret_roots)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	*ret_roots = (struct instance_roots){ .paths = { "/run/longwire" }, .n = 1 };
	if (!runtime || runtime[0] != '/')
		return;
	n = snprintf(ret_roots->paths[1], INSTANCE_PATH_SIZE, "%s/longwire", runtime);
	if (n < INSTANCE_PATH_SIZE)
		ret_roots->n = 2;
}

int instance_name(const char *file, const char *given, char ret_name[INSTANCE_NAME_SIZE],
		  struct lw_error *ret_error)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	const char *dot = strrchr(base, '.');
	char name[INSTANCE_NAME_SIZE];
	size_t length = dot ? (size_t)(dot - base) : strlen(base);

	if (given)
		length = strlen(base = given);
	if (length < sizeof(name)) {
		memcpy(name, base, length);
		name[length] = '\0';
		if (parse_is_name(name)) {
			memcpy(ret_name, name, length + 1);
			return 0;
		}
	}
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "\"%.*s\" cannot be an instance's name%s: 1 to 63 letters, digits, dots, "
			 "dashes and underscores, not beginning with a dot or dash",
			 (int)MIN(length, 80u), base, given ? "" : " (give one with --name)");
}

/* A folder that somebody else may write is no place for a lock or a socket. */
static int judge_folder(int folder, const char *path, struct lw_error *error)
{
	struct stat st;

	if (fstat(folder, &st) < 0)
		return error_errno(error, errno, "%s", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return error_set(error, -ENOTDIR, LW_DOMAIN_SYSTEM, ENOTDIR,
				 "%s: belongs to somebody else or can be written by others", path);
	return 0;
}

/* Make it if it is not there, open it. Return: a descriptor, or a negative errno. */
static int open_folder(int at, const char *name, mode_t mode, const char *path,
		       struct lw_error *error)
{
	bool is_new = mkdirat(at, name, mode) == 0;
	int folder, r;

	if (!is_new && errno != EEXIST)
		return error_errno(error, errno, "cannot make %s", path);
	folder = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return error_errno(error, errno, "%s", path);
	if (is_new && fchmod(folder, mode) < 0)
		r = error_errno(error, errno, "%s", path);
	else
		r = judge_folder(folder, path, error);
	if (r < 0)
		close_fd(&folder);
	return r < 0 ? r : folder;
}

/* Whether the lock that we hold is the one that others find. */
static bool lock_is_current(int folder, int lock)
{
	struct stat ours, theirs;

	return fstat(lock, &ours) == 0 &&
	       fstatat(folder, LOCK_FILE, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Return: the lock's descriptor; -EBUSY: held; -ESTALE: it or its folder went away meanwhile. */
static int take_lock(int folder, const char *name, struct lw_error *error)
{
	int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int lock = openat(folder, LOCK_FILE, flags, 0600);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (lock < 0 && errno == ENOENT)
		return -ESTALE;
	if (lock < 0)
		return error_errno(error, errno, "%s: cannot open its lock", name);
	if (fcntl(lock, F_OFD_SETLK, &whole) < 0) {
		char pid[16] = "";

		if (errno != EAGAIN && errno != EACCES)
			return error_errno(error, errno, "%s: cannot lock", name);
		if (pread(lock, pid, sizeof(pid) - 1, 0) > 0)
			pid[strspn(pid, "0123456789")] = '\0';
		return error_set(error, -EBUSY, LW_DOMAIN_SYSTEM, EBUSY,
				 "an instance called %s runs already%s%s; --name gives this one "
				 "another name",
				 name, *pid ? ", process " : "", pid);
	}
	return lock_is_current(folder, lock) ? take_fd(&lock) : -ESTALE;
}

static void write_pid(int lock)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	/* It only makes a sentence more helpful. */
	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, (size_t)n, 0) < 0)
		return;
}

static int try_open(struct instance *instance, struct lw_error *error)
{
	_cleanup_close_ int root = -1;
	char path[2 * INSTANCE_PATH_SIZE];
	int r;

	root = open_folder(AT_FDCWD, instance->root, 0755, instance->root, error);
	if (root < 0)
		return root;
	snprintf(path, sizeof(path), "%s/%s", instance->root, instance->name);
	r = open_folder(root, instance->name, 0700, path, error);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	instance->folder = r;
	r = take_lock(instance->folder, instance->name, error);
	if (r < 0) {
		close_fd(&instance->folder);
		return r;
	}
	instance->lock = r;
	return 0;
}

static int open_in(const char *root, const char *name, struct instance *instance,
		   struct lw_error *error)
{
	int r = -ESTALE;
	int n = snprintf(instance->socket, sizeof(instance->socket), "%s/%s/" SOCKET_FILE, root,
			 name);

	if (n >= (int)sizeof(instance->socket))
		return error_set(error, -ENAMETOOLONG, LW_DOMAIN_SYSTEM, ENAMETOOLONG,
				 "%s/%s: too long for a socket; use a shorter --name", root, name);
	snprintf(instance->root, sizeof(instance->root), "%s", root);
	snprintf(instance->name, sizeof(instance->name), "%s", name);
	for (int turn = 0; turn < TURNS_MAX && r == -ESTALE; turn++)
		r = try_open(instance, error);
	if (r == -ESTALE)
		return error_errno(error, ESTALE, "%s/%s", root, name);
	return r;
}

/* Whether the next root may be tried: this one is not for us. */
static bool is_elsewhere(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT || r == -ENOTDIR;
}

int instance_open(const struct instance_roots *roots, const char *name,
		  struct instance **ret_instance, struct lw_error *ret_error)
{
	struct instance *instance = calloc(1, sizeof(*instance));
	int r = -ENOENT;

	if (!instance)
		return error_errno(ret_error, ENOMEM, "%s", name);
	instance->folder = instance->lock = -1;
	for (size_t i = 0; i < roots->n; i++) {
		r = open_in(roots->paths[i], name, instance, ret_error);
		if (!is_elsewhere(r))
			break;
	}
	if (r < 0) {
		free(instance);
		return r;
	}
	write_pid(instance->lock);
	unlinkat(instance->folder, SOCKET_FILE, 0);
	*ret_instance = instance;
	return 0;
}

/* The lock goes last: until then nobody else can take what is being removed. */
void instance_close(struct instance *instance)
{
	char path[2 * INSTANCE_PATH_SIZE];

	if (!instance)
		return;
	unlinkat(instance->folder, SOCKET_FILE, 0);
	unlinkat(instance->folder, LOCK_FILE, 0);
	snprintf(path, sizeof(path), "%s/%s", instance->root, instance->name);
	rmdir(path);
	rmdir(instance->root);
	close_fd(&instance->lock);
	close_fd(&instance->folder);
	free(instance);
}

const char *instance_socket(const struct instance *instance)
{
	return instance->socket;
}

/* 1: it runs; 0: stale or nothing; -EACCES: not for us. */
static int probe(const char *root, const char *name, struct instance_found *ret_found)
{
	char path[2 * INSTANCE_PATH_SIZE];
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int lock = -1;
	int n;

	if (!parse_is_name(name) || strlen(name) >= sizeof(ret_found->name))
		return 0;
	memcpy(ret_found->name, name, strlen(name) + 1);
	snprintf(path, sizeof(path), "%s/%s/" LOCK_FILE, root, ret_found->name);
	lock = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (lock < 0)
		return errno == EACCES ? -EACCES : 0;
	/* Asked, not taken: whoever starts now is not in our way, nor we in his. */
	if (fcntl(lock, F_OFD_GETLK, &whole) < 0 || whole.l_type == F_UNLCK)
		return 0;
	n = snprintf(ret_found->socket, sizeof(ret_found->socket), "%s/%s/" SOCKET_FILE, root,
		     ret_found->name);
	return n < (int)sizeof(ret_found->socket);
}

static int by_name(const void *a, const void *b)
{
	const struct instance_found *x = a, *y = b;

	return strcmp(x->name, y->name);
}

size_t instance_list(const struct instance_roots *roots, struct instance_found *ret_found,
		     size_t max, size_t *ret_hidden)
{
	size_t n = 0;

	*ret_hidden = 0;
	for (size_t i = 0; i < roots->n; i++) {
		DIR *folder = opendir(roots->paths[i]);
		struct dirent *entry;

		while (folder && n < max && (entry = readdir(folder))) {
			int r = probe(roots->paths[i], entry->d_name, &ret_found[n]);

			n += r > 0;
			*ret_hidden += r < 0;
		}
		if (folder)
			closedir(folder);
	}
	qsort(ret_found, n, sizeof(*ret_found), by_name);
	return n;
}
