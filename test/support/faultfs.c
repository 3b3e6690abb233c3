/*
 * Put before the C library by LD_PRELOAD, this makes chosen calls on chosen files fail or take long, and moves the wall clock, while the process
 * runs. The levers are in a small file that the test writes and this library maps: KASSA_FAULTFS names it. See faultfs.ts for its layout.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FSYNC = 1, FDATASYNC = 2, PWRITE = 4, WRITE = 8, FTRUNCATE = 16, RENAME = 32, PREAD = 64 };
enum { SECTOR = 512 };

struct levers {
  uint32_t fail_ops;   /* which calls fail */
  uint32_t error;      /* with this errno */
  uint32_t skip;       /* so many of them come through first */
  uint32_t count;      /* and so many fail; 0: all from then on */
  uint32_t torn;       /* a write that fails has written its first half, if it is more than a sector */
  uint32_t delay_ops;  /* which calls wait */
  uint32_t delay_ms;
  uint32_t matched;    /* calls of fail_ops seen; counted here */
  uint32_t failed;     /* of these, failed; counted here */
  uint32_t delayed;    /* calls that are waiting or have waited; counted here */
  int64_t shift_ns;    /* of the wall clock */
  char path[80];       /* what the path of the file must contain */
};

static volatile struct levers *levers;

/* The C library's own function. */
#define REAL(name)                                        \
  ({                                                      \
    static void *found;                                   \
    if (found == NULL) found = dlsym(RTLD_NEXT, #name); \
    (__typeof__(&name))found;                             \
  })

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("KASSA_FAULTFS");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct levers), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) {
    fprintf(stderr, "faultfs: %s cannot be mapped\n", path);
    abort();
  }
  close(fd);
  levers = map;
}

static int is_meant(const char *path) {
  char part[sizeof levers->path];
  memcpy(part, (const void *)levers->path, sizeof part);
  part[sizeof part - 1] = 0;
  return part[0] != 0 && strstr(path, part) != NULL;
}

static int is_meant_fd(int fd) {
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return is_meant(path);
}

/* Waits if this call is to. Returns the errno that it is to fail with, or 0. */
static uint32_t verdict(uint32_t op, int meant) {
  if (!meant) return 0;
  if (levers->delay_ops & op) {
    struct timespec pause = {levers->delay_ms / 1000, levers->delay_ms % 1000 * 1000000L};
    __atomic_add_fetch(&levers->delayed, 1, __ATOMIC_SEQ_CST);
    nanosleep(&pause, NULL);
  }
  if (!(levers->fail_ops & op)) return 0;
  uint32_t number = __atomic_fetch_add(&levers->matched, 1, __ATOMIC_SEQ_CST);
  if (number < levers->skip) return 0;
  if (levers->count != 0 && number >= levers->skip + levers->count) return 0;
  __atomic_add_fetch(&levers->failed, 1, __ATOMIC_SEQ_CST);
  return levers->error;
}

/* A disk writes a sector whole or not at all. */
static int is_torn(size_t size) { return levers->torn && size > SECTOR; }

/* Asked for every call: cheap while nothing is wanted. */
static uint32_t fault(uint32_t op, int fd) {
  if (levers == NULL || !((levers->fail_ops | levers->delay_ops) & op)) return 0;
  int before = errno;
  uint32_t found = verdict(op, is_meant_fd(fd));
  errno = before;
  return found;
}

static int failed(uint32_t error) {
  errno = (int)error;
  return -1;
}

int fsync(int fd) {
  uint32_t error = fault(FSYNC, fd);
  return error ? failed(error) : REAL(fsync)(fd);
}

int fdatasync(int fd) {
  uint32_t error = fault(FDATASYNC, fd);
  return error ? failed(error) : REAL(fdatasync)(fd);
}

ssize_t write(int fd, const void *bytes, size_t size) {
  uint32_t error = fault(WRITE, fd);
  if (!error) return REAL(write)(fd, bytes, size);
  if (is_torn(size)) (void)!REAL(write)(fd, bytes, size / 2);
  return failed(error);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  uint32_t error = fault(WRITE, fd);
  return error ? failed(error) : REAL(writev)(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  uint32_t error = fault(PWRITE, fd);
  if (!error) return REAL(pwrite64)(fd, bytes, size, offset);
  if (is_torn(size)) (void)!REAL(pwrite64)(fd, bytes, size / 2, offset);
  return failed(error);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  uint32_t error = fault(PWRITE, fd);
  return error ? failed(error) : REAL(pwritev64)(fd, parts, count, offset);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset) {
  uint32_t error = fault(PREAD, fd);
  return error ? failed(error) : REAL(pread64)(fd, bytes, size, offset);
}

int ftruncate64(int fd, off64_t size) {
  uint32_t error = fault(FTRUNCATE, fd);
  return error ? failed(error) : REAL(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to) {
  uint32_t error = 0;
  if (levers != NULL && (levers->fail_ops | levers->delay_ops) & RENAME) error = verdict(RENAME, is_meant(from));
  return error ? failed(error) : REAL(rename)(from, to);
}

static int64_t shifted(int64_t ns) {
  return levers == NULL ? ns : ns + __atomic_load_n(&levers->shift_ns, __ATOMIC_SEQ_CST);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = REAL(clock_gettime)(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t ns = shifted(now->tv_sec * 1000000000LL + now->tv_nsec);
    now->tv_sec = ns / 1000000000LL;
    now->tv_nsec = ns % 1000000000LL;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int result = REAL(gettimeofday)(now, zone);
  if (result == 0) {
    int64_t ns = shifted(now->tv_sec * 1000000000LL + now->tv_usec * 1000LL);
    now->tv_sec = ns / 1000000000LL;
    now->tv_usec = ns % 1000000000LL / 1000;
  }
  return result;
}

time_t time(time_t *now) {
  struct timespec spec;
  clock_gettime(CLOCK_REALTIME, &spec);
  if (now != NULL) *now = spec.tv_sec;
  return spec.tv_sec;
}
