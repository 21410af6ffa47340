// GCC plugin: switches off the SH passes `sh_treg_combine2` and `3`, which in Debian's gcc-12-sh4 deletes the
// load and compare in front of a conditional branch (tests/guests/test_toolchain.py).
#include <cstring>

#include "gcc-plugin.h"
#include "tree-pass.h"
#include "context.h"

int plugin_is_GPL_compatible;

static void gate(void *gate_status, void *)
{
    if (current_pass && std::strncmp(current_pass->name, "sh_treg_combine", 15) == 0)
        *static_cast<bool *>(gate_status) = false;
}

int plugin_init(struct plugin_name_args *info, struct plugin_gcc_version *)
{
    register_callback(info->base_name, PLUGIN_OVERRIDE_GATE, gate, nullptr);
    return 0;
}
