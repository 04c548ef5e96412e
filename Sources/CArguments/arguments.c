// glibc gives argc and argv to what stands in .init_array. Swift looks for them in /proc or beside the environment, and
// finds none where there is no /proc or where something has moved the environment before main.

#include "arguments.h"

#ifndef __GLIBC__
#include <features.h>
#endif
#ifndef __GLIBC__
#error "only glibc is known to give arguments to constructors"
#endif

static int count;
static char **arguments;

__attribute__((constructor)) static void keep(int argc, char **argv) {
    count = argc;
    arguments = argv;
}

int carguments_count(void) {
    // In place of an empty list Linux 5.18 and newer gives one empty text, so that is none either.
    if (count == 1 && (arguments[0] == 0 || arguments[0][0] == 0)) return 0;
    return arguments == 0 ? 0 : count;
}

const char *carguments_at(int index) {
    return index >= 0 && index < count ? arguments[index] : 0;
}
