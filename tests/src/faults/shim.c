/* Loaded before libc into a node under test (ld.so(8), LD_PRELOAD): shifts its clock and lets its writes fail, as a
 * page shared with the test says. It allocates nothing, so that it works under every allocator. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct page {
    int64_t clock_seconds; /* added to the date; timers go on as usual */
    int64_t write_errno;   /* what writing to a file fails with; 0 for nothing */
};

static const volatile struct page *page;

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("CAIRN_TEST_FAULTS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *seen = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct page), PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) page = seen;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && page && clock == CLOCK_REALTIME) now->tv_sec += page->clock_seconds;
    return result;
}

/* Files alone: what is told on the standard streams, and what goes to peers, still goes. */
static int fails(int file) {
    struct stat known;
    if (!page || !page->write_errno || file <= 2 || fstat(file, &known) != 0 || !S_ISREG(known.st_mode)) return 0;
    errno = (int)page->write_errno;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return fails(file) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

int fsync(int file) { return fails(file) ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return fails(file) ? -1 : (int)syscall(SYS_fdatasync, file); }
