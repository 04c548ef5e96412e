// A C file, because Swift has no text that the command line of its compiler sets. Package.swift does.

#include "build.h"

const char *cbuild_commit(void) { return CLASH_PROXY_COMMIT; }
