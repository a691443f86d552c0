/* Ends the process at a chosen call that changes a folder.

   Loaded before the C library, it counts the calls below on files in one folder, whoever makes them:
   Python, SQLite or a library. It is armed by arm(), or at the start by SHIM_FOLDER and SHIM_AT. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static char kinds[1 << 16];
static long calls, kill_at;
static int kill_halfway;

/* Start to count the calls in `path`, and kill at number `at`, counted from 1; never if it is 0.
   With `halfway` a write is killed when half of it is done. */
void arm(const char *path, long at, int halfway) {
    memset(kinds, 0, sizeof kinds);
    calls = 0;
    kill_at = at;
    kill_halfway = halfway;
    snprintf(folder, sizeof folder, "%s", path);
}

/* Return the kinds of the calls so far, a letter each: create, write, sync, truncate, rename,
   unlink, mkdir. */
const char *seen(void) { return kinds; }

__attribute__((constructor)) static void arm_from_environment(void) {
    const char *path = getenv("SHIM_FOLDER"), *at = getenv("SHIM_AT");
    if (path && at)
        arm(path, atol(at), getenv("SHIM_HALFWAY") != NULL);
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void end_here(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int in_folder(const char *path) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int file_in_folder(int fd) {
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return in_folder(path);
}

static int name_in_folder(int at, const char *path) {
    char here[PATH_MAX];
    if (path[0] == '/')
        return in_folder(path);
    if (at != AT_FDCWD)
        return file_in_folder(at);
    return getcwd(here, sizeof here) && in_folder(here);
}

/* Count a call; returns whether it is a write that has to end halfway. */
static int count(int concerned, char kind) {
    if (!folder[0] || !concerned)
        return 0;
    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (number < (long)sizeof kinds)
        kinds[number - 1] = kind;
    if (number != kill_at)
        return 0;
    if (kind == 'w' && kill_halfway)
        return 1;
    end_here();
    return 0;
}

static int count_file(int fd, char kind) { return count(folder[0] && file_in_folder(fd), kind); }

static int count_name(int at, const char *path, char kind) {
    return count(folder[0] && name_in_folder(at, path), kind);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (count_file(fd, 'w')) {
        (void)!REAL(write)(fd, bytes, size / 2);
        end_here();
    }
    return REAL(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    if (count_file(fd, 'w')) {
        (void)!REAL(pwrite)(fd, bytes, size / 2, offset);
        end_here();
    }
    return REAL(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    if (count_file(fd, 'w')) {
        (void)!REAL(pwrite64)(fd, bytes, size / 2, offset);
        end_here();
    }
    return REAL(pwrite64)(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
    if (count_file(fd, 'w')) {
        (void)!REAL(writev)(fd, parts, number / 2);
        end_here();
    }
    return REAL(writev)(fd, parts, number);
}

int fsync(int fd) {
    count_file(fd, 's');
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    count_file(fd, 's');
    return REAL(fdatasync)(fd);
}

int ftruncate(int fd, off_t size) {
    count_file(fd, 't');
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    count_file(fd, 't');
    return REAL(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to) {
    count_name(AT_FDCWD, to, 'r');
    return REAL(rename)(from, to);
}

int renameat(int at, const char *from, int to_at, const char *to) {
    count_name(to_at, to, 'r');
    return REAL(renameat)(at, from, to_at, to);
}

int unlink(const char *path) {
    count_name(AT_FDCWD, path, 'u');
    return REAL(unlink)(path);
}

int unlinkat(int at, const char *path, int flags) {
    count_name(at, path, 'u');
    return REAL(unlinkat)(at, path, flags);
}

int rmdir(const char *path) {
    count_name(AT_FDCWD, path, 'u');
    return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    count_name(AT_FDCWD, path, 'm');
    return REAL(mkdir)(path, mode);
}

int mkdirat(int at, const char *path, mode_t mode) {
    count_name(at, path, 'm');
    return REAL(mkdirat)(at, path, mode);
}

/* A file that comes into being, or is emptied. */
#define OPEN(name, at, before, passed)                                                             \
    int name(before const char *path, int flags, ...) {                                            \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                  \
        va_end(rest);                                                                              \
        if ((flags & O_CREAT && faccessat(at, path, F_OK, 0)) || flags & O_TRUNC)                  \
            count_name(at, path, 'c');                                                             \
        return REAL(name)(passed path, flags, mode);                                               \
    }
#define COMMA ,

OPEN(open, AT_FDCWD, , )
OPEN(open64, AT_FDCWD, , )
OPEN(openat, at, int at COMMA, at COMMA)
OPEN(openat64, at, int at COMMA, at COMMA)
