// What this program was built from.

#ifndef CLASH_PROXY_BUILD_H
#define CLASH_PROXY_BUILD_H

/// The commit, as CLASH_PROXY_COMMIT said when it was built; empty when nobody said.
const char *cbuild_commit(void);

#endif
