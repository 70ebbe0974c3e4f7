/* Loads a libclang as bindgen does, and has it read a header.
 *
 * Usage: probe-libclang LIBRARY c|c++ LINE    parses LINE; prints the first error and ends with 1 if there is one
 *
 * Which libclang a build loads is found in scripts/setup.sh. That the file is there says little: it may be for another
 * processor, lack a library of its own, or lack the headers of the compiler (stddef.h), which come in a package of their
 * own. Nothing of clang's is needed to compile this: the few types are those of clang-c/Index.h, which are stable. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unsaved_file {
    const char *name;
    const char *contents;
    unsigned long length;
};
struct string {
    const void *data;
    unsigned flags;
};

static void *library;

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        printf("it has no function %s\n", name);
        exit(1);
    }
    return found;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: probe-libclang LIBRARY c|c++ LINE\n");
        return 2;
    }
    library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    void *(*create_index)(int, int) = symbol("clang_createIndex");
    int (*parse)(void *, const char *, const char *const *, int, struct unsaved_file *, unsigned, unsigned, void **) =
        symbol("clang_parseTranslationUnit2");
    unsigned (*diagnostics)(void *) = symbol("clang_getNumDiagnostics");
    void *(*diagnostic)(void *, unsigned) = symbol("clang_getDiagnostic");
    int (*severity)(void *) = symbol("clang_getDiagnosticSeverity");
    struct string (*spelling)(void *) = symbol("clang_getDiagnosticSpelling");
    const char *(*text)(struct string) = symbol("clang_getCString");
    int is_cpp = strcmp(arguments[2], "c++") == 0;
    const char *name = is_cpp ? "probe.hpp" : "probe.h";
    struct unsaved_file file = {name, arguments[3], strlen(arguments[3])};
    const char *const options[] = {"-x", arguments[2]};
    void *unit = NULL;
    int error = parse(create_index(0, 0), name, options, 2, &file, 1, 0, &unit);
    if (error != 0 || unit == NULL) {
        printf("it reads nothing: error %d\n", error);
        return 1;
    }
    for (unsigned i = 0; i < diagnostics(unit); i++) {
        void *found = diagnostic(unit, i);
        if (severity(found) >= 3) { /* CXDiagnostic_Error */
            printf("%s\n", text(spelling(found)));
            return 1;
        }
    }
    return 0;
}
