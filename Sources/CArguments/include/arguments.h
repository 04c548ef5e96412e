// The arguments that the kernel gave this process.

#ifndef CLASH_PROXY_ARGUMENTS_H
#define CLASH_PROXY_ARGUMENTS_H

/// How many there are, the program's name included; 0 when the process was given none.
int carguments_count(void);

/// One of them, which lives as long as the process; null beyond the last.
const char *carguments_at(int index);

#endif
