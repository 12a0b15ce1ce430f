/* Preloaded into nearside: what the name `master.test` means is read from the file $NAMES at each question. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int question(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  question *next = (question *)dlsym(RTLD_NEXT, "getaddrinfo");
  char address[64] = "";
  if (name != NULL && strcmp(name, "master.test") == 0) {
    FILE *file = fopen(getenv("NAMES"), "r");
    if (file == NULL) return EAI_FAIL;
    int known = fscanf(file, "%63s", address) == 1;
    fclose(file);
    if (!known) return EAI_NONAME;
    name = address;
  }
  return next(name, service, hints, found);
}
