/* A TCG plugin for qemu-user: how many instructions of the guest ran, and where, between two marks.
 *
 * A mark is getpgid(MARK | number), a system call that fails and changes nothing. At each mark this writes to $ZEGEL_COUNTS
 *     ADDRESS INSTRUCTIONS     for each block of code that ran since the last mark, address in hexadecimal
 *     mark NUMBER
 *
 * Distributions ship qemu's plugin interface without its header, so the parts that are used are declared here. Its version is
 * API_VERSION, which the compiler is told: these functions are the same in all versions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GETPGID 155 /* on aarch64 */
#define MARK_BITS 8
#define MARK 0x5E6E1u

typedef uint64_t plugin_id;
typedef struct qemu_plugin_tb block_info;
typedef void (*on_translate)(plugin_id, block_info *);
typedef void (*on_execute)(unsigned int cpu, void *data);
typedef void (*on_syscall)(plugin_id, unsigned int cpu, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t);

int qemu_plugin_version = API_VERSION;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translate);
void qemu_plugin_register_vcpu_tb_exec_cb(block_info *, on_execute, int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall);
size_t qemu_plugin_tb_n_insns(const block_info *);
uint64_t qemu_plugin_tb_vaddr(const block_info *);

struct block {
    struct block *next;
    uint64_t address, instructions, runs;
};

static struct block *blocks;
static FILE *counts;

static void ran(unsigned int cpu, void *data)
{
    (void)cpu;
    ((struct block *)data)->runs++;
}

static void translated(plugin_id id, block_info *info)
{
    struct block *block = malloc(sizeof *block);
    (void)id;
    if (!block)
        abort();
    *block = (struct block){blocks, qemu_plugin_tb_vaddr(info), qemu_plugin_tb_n_insns(info), 0};
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(info, ran, 0, block);
}

static void called(plugin_id id, unsigned int cpu, int64_t number, uint64_t argument, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != GETPGID || argument >> MARK_BITS != MARK)
        return;
    for (struct block *block = blocks; block; block = block->next) {
        if (block->runs)
            fprintf(counts, "%" PRIx64 " %" PRIu64 "\n", block->address, block->runs * block->instructions);
        block->runs = 0;
    }
    fprintf(counts, "mark %u\n", (unsigned)(argument & ((1u << MARK_BITS) - 1)));
    fflush(counts);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    const char *path = getenv("ZEGEL_COUNTS");
    (void)info, (void)argc, (void)argv;
    counts = path ? fopen(path, "w") : NULL;
    if (!counts)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
