/* A qemu TCG plugin: the number of guest instructions that a process executed, all threads
 * together, written in decimal to the file that `out=` names when the process exits. A forked
 * child's own instructions are not counted.
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
enum { NO_REGISTERS = 0 };

typedef void (*on_exit_t)(plugin_id, void *);
typedef void (*on_translate_t)(plugin_id, struct block *);
typedef void (*on_execute_t)(unsigned vcpu, void *);

void qemu_plugin_register_atexit_cb(plugin_id, on_exit_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translate_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, on_execute_t, int flags, void *);
size_t qemu_plugin_tb_n_insns(const struct block *);

EXPORT int qemu_plugin_version = 1;

static uint64_t total;
static char out[4096];
static pid_t owner;

static void executed(unsigned vcpu, void *instructions) {
  (void)vcpu;
  __atomic_fetch_add(&total, (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct block *block) {
  (void)id;
  void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, instructions);
}

static void ended(plugin_id id, void *unused) {
  (void)id, (void)unused;
  FILE *file = getpid() == owner ? fopen(out, "w") : NULL;
  if (file) {
    fprintf(file, "%llu\n", (unsigned long long)total);
    fclose(file);
  }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0] + 4) >= sizeof out) return 1;
  strcpy(out, argv[0] + 4);
  owner = getpid();
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
