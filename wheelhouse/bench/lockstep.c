/* A qemu TCG plugin: the instructions of each thread, as on a board with a core for each.
 *
 * A thread that is ahead of the slowest that runs waits for it, so that all execute as many in the
 * same time, however many processors this machine has. One that is in a system call is not waited
 * for. It goes on where the slowest is, or at the moment in which another one wakes it.
 *
 * When a thread calls getppid(), the file that `out=` names gets a line with its clock: what it
 * executed, and what others did while it slept. THREADS lines follow: what each thread executed, in
 * count.c's kinds. The declarations are explained there as well. It is for 64-bit Arm. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;
struct instruction;
struct info;
enum { NO_REGISTERS = 0 };

typedef void (*on_translate_t)(plugin_id, struct block *);
typedef void (*on_execute_t)(unsigned vcpu, void *);
typedef void (*on_start_t)(plugin_id, unsigned vcpu);
typedef void (*on_syscall_t)(plugin_id, unsigned vcpu, int64_t number, uint64_t, uint64_t, uint64_t,
                             uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
typedef void (*on_return_t)(plugin_id, unsigned vcpu, int64_t number, int64_t result);

void qemu_plugin_register_vcpu_init_cb(plugin_id, on_start_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translate_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall_t);
void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, on_return_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, on_execute_t, int flags, void *);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
const void *qemu_plugin_insn_data(const struct instruction *);

EXPORT int qemu_plugin_version = 1;

enum kind { BRANCH, INTEGER, MEMORY, VECTOR, KINDS };
enum { BITS = 16, FUTEX = 98, GETPPID = 173, THREADS = 16 };

/* What a futex call is to do, and its other bits. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_WAIT_BITSET = 9, FUTEX_FLAGS = 128 | 256 };

/* Instructions by which a thread may be ahead. */
enum { AHEAD = 4096 };

/* Nobody is waited for longer: qemu may have stopped that thread until this one stops. */
enum { PATIENCE = 100 * 1000 * 1000 /* ns */ };

static struct thread {
  uint64_t count[KINDS];
  uint64_t clock;
  uint64_t next;  /* when it looks at the others again */
  uint64_t futex; /* where it sleeps, or 0 */
  int runs;
} threads[THREADS];

static char out[4096];
static uint64_t latest; /* when the last one fell asleep */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;

static enum kind kind_of(uint32_t word) {
  unsigned group = word >> 25 & 15;
  if (group == 10 || group == 11) return BRANCH;
  if ((group & 5) == 4) return MEMORY;
  return (group & 7) == 7 ? VECTOR : INTEGER;
}

static uint64_t clock_of(const struct thread *thread) {
  return __atomic_load_n(&thread->clock, __ATOMIC_RELAXED);
}

/* The clock of the slowest other thread that runs, or `without` if none does. */
static uint64_t slowest(const struct thread *own, uint64_t without) {
  uint64_t found = UINT64_MAX;
  for (struct thread *each = threads; each < threads + THREADS; each++)
    if (each != own && each->runs && clock_of(each) < found) found = clock_of(each);
  return found == UINT64_MAX ? without : found;
}

static void wait_for_others(struct thread *own) {
  pthread_mutex_lock(&lock);
  pthread_cond_broadcast(&progress);
  uint64_t seen = 0, others;
  struct timespec until;
  while ((others = slowest(own, own->clock)) + AHEAD < own->clock) {
    if (others != seen) {
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += PATIENCE;
      if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    }
    seen = others;
    if (pthread_cond_timedwait(&progress, &lock, &until) == ETIMEDOUT) break;
  }
  own->next = own->clock + AHEAD / 2;
  pthread_mutex_unlock(&lock);
}

static void executed(unsigned vcpu, void *counts) {
  struct thread *own = &threads[vcpu % THREADS];
  uint64_t left = (uint64_t)(uintptr_t)counts, clock = own->clock;
  for (int kind = 0; left; kind++, left >>= BITS) {
    own->count[kind] += left & ((1 << BITS) - 1);
    clock += left & ((1 << BITS) - 1);
  }
  __atomic_store_n(&own->clock, clock, __ATOMIC_RELAXED);
  if (clock >= own->next) wait_for_others(own);
}

static void translated(plugin_id id, struct block *block) {
  (void)id;
  uint64_t counts = 0;
  for (size_t place = 0; place < qemu_plugin_tb_n_insns(block); place++) {
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, place)), sizeof word);
    counts += UINT64_C(1) << BITS * kind_of(word);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, (void *)(uintptr_t)counts);
}

static void tell(const struct thread *own) {
  FILE *file = fopen(out, "a");
  if (file) fprintf(file, "%llu\n", (unsigned long long)own->clock);
  for (struct thread *each = threads; file && each < threads + THREADS; each++)
    for (int kind = 0; kind < KINDS; kind++)
      fprintf(file, "%llu%c", (unsigned long long)each->count[kind], kind < KINDS - 1 ? ' ' : '\n');
  if (file) fclose(file);
}

static void wake(struct thread *own, uint64_t now) {
  if (own->clock < now) own->clock = now;
  own->next = own->clock;
  own->futex = 0;
  own->runs = 1;
}

static void wake_sleepers(uint64_t futex, uint64_t most, uint64_t now) {
  uint64_t sleepers = 0;
  for (struct thread *each = threads; each < threads + THREADS; each++)
    sleepers += each->futex == futex;
  for (struct thread *each = threads; sleepers <= most && each < threads + THREADS; each++)
    if (each->futex == futex) wake(each, now);
}

static void started(plugin_id id, unsigned vcpu) {
  (void)id;
  struct thread *own = &threads[vcpu % THREADS];
  pthread_mutex_lock(&lock);
  if (!own->runs) wake(own, slowest(own, latest));
  pthread_mutex_unlock(&lock);
}

static void called(plugin_id id, unsigned vcpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                   uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)d, (void)e, (void)f, (void)g, (void)h;
  struct thread *own = &threads[vcpu % THREADS];
  if (number == GETPPID) tell(own);
  pthread_mutex_lock(&lock);
  own->runs = 0;
  if (own->clock > latest) latest = own->clock;
  int wanted = number == FUTEX ? (int)b & ~FUTEX_FLAGS : -1;
  if (wanted == FUTEX_WAIT || wanted == FUTEX_WAIT_BITSET) own->futex = a;
  if (wanted == FUTEX_WAKE) wake_sleepers(a, c, own->clock);
  pthread_cond_broadcast(&progress);
  pthread_mutex_unlock(&lock);
}

static void returned(plugin_id id, unsigned vcpu, int64_t number, int64_t result) {
  (void)number, (void)result;
  started(id, vcpu);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct info *info, int argc, char **argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0] + 4) >= sizeof out) return 1;
  strcpy(out, argv[0] + 4);
  qemu_plugin_register_vcpu_init_cb(id, started);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, returned);
  return 0;
}
