/* A qemu TCG plugin: the guest instructions that a process executed, all threads together. A line
 * in the file that `out=` names has them in decimal: branches and system instructions, integer
 * arithmetic, loads and stores, vector arithmetic. One is added when the process calls getppid(),
 * which so marks a place in a program, and the last when it exits. On other processors than 64-bit
 * Arm all count as integer arithmetic; on others than Arm's there are no marks. A forked child is
 * not counted.
 *
 * The declarations are those of qemu 7.2's plugin interface, version 1, so that no header of
 * qemu's is needed; see "QEMU TCG Plugins" in its manual. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;
struct instruction;
struct info {
  const char *target_name;
};
enum { NO_REGISTERS = 0 };

typedef void (*on_exit_t)(plugin_id, void *);
typedef void (*on_translate_t)(plugin_id, struct block *);
typedef void (*on_execute_t)(unsigned vcpu, void *);
typedef void (*on_syscall_t)(plugin_id, unsigned vcpu, int64_t number, uint64_t, uint64_t, uint64_t,
                             uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

void qemu_plugin_register_atexit_cb(plugin_id, on_exit_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translate_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, on_execute_t, int flags, void *);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
const void *qemu_plugin_insn_data(const struct instruction *);

EXPORT int qemu_plugin_version = 1;

enum kind { BRANCH, INTEGER, MEMORY, VECTOR, KINDS };

/* A block's count of each kind, in 16 bits; a block has 512 instructions at most. */
enum { BITS = 16 };

/* The numbers of the system call on 64-bit and 32-bit Arm. */
enum { GETPPID = 173, GETPPID32 = 64 };

static uint64_t total[KINDS];
static char out[4096];
static pid_t owner;
static int arm64;
static int64_t mark;

/* Bits 25 to 28 are the main group: C4.1 of the Arm Architecture Reference Manual. */
static enum kind kind_of(uint32_t word) {
  unsigned group = word >> 25 & 15;
  if (group == 10 || group == 11) return BRANCH;
  if ((group & 5) == 4) return MEMORY;
  return (group & 7) == 7 ? VECTOR : INTEGER;
}

static void executed(unsigned vcpu, void *counts) {
  (void)vcpu;
  uint64_t left = (uint64_t)(uintptr_t)counts;
  for (int kind = 0; left; kind++, left >>= BITS) {
    uint64_t count = left & ((1 << BITS) - 1);
    if (count) __atomic_fetch_add(&total[kind], count, __ATOMIC_RELAXED);
  }
}

static void translated(plugin_id id, struct block *block) {
  (void)id;
  uint64_t counts = 0;
  for (size_t place = 0; place < qemu_plugin_tb_n_insns(block); place++) {
    uint32_t word = 0;
    if (arm64)
      memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, place)), sizeof word);
    counts += UINT64_C(1) << BITS * (arm64 ? kind_of(word) : INTEGER);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, (void *)(uintptr_t)counts);
}

static void tell(void) {
  FILE *file = getpid() == owner ? fopen(out, "a") : NULL;
  if (file) {
    for (int kind = 0; kind < KINDS; kind++)
      fprintf(file, "%llu%c", (unsigned long long)total[kind], kind < KINDS - 1 ? ' ' : '\n');
    fclose(file);
  }
}

static void called(plugin_id id, unsigned vcpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                   uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)vcpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number == mark) tell();
}

static void ended(plugin_id id, void *unused) {
  (void)id, (void)unused;
  tell();
}

EXPORT int qemu_plugin_install(plugin_id id, const struct info *info, int argc, char **argv) {
  if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0] + 4) >= sizeof out) return 1;
  strcpy(out, argv[0] + 4);
  owner = getpid();
  arm64 = !strcmp(info->target_name, "aarch64");
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  if (arm64) mark = GETPPID;
  if (!strcmp(info->target_name, "arm")) mark = GETPPID32;
  if (mark) qemu_plugin_register_vcpu_syscall_cb(id, called);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
