// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSQLITE_SHIM_H
#define GATEHOUSE_CSQLITE_SHIM_H

#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast of -1 to a function pointer, which Swift does not import. It makes SQLite copy the bytes,
// so nothing has to outlive the call.
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, sqlite3_uint64 count) {
    return sqlite3_bind_text64(statement, index, text, count, SQLITE_TRANSIENT, SQLITE_UTF8);
}
// The same. A null pointer would bind NULL: an empty blob is a blob.
static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", count, SQLITE_TRANSIENT);
}

// sqlite3_db_config is variadic. Sets one switch of a connection and tells whether it took.
static inline int csqlite_db_switch(sqlite3 *database, int which, int on) {
    int now = !on;
    int code = sqlite3_db_config(database, which, on, &now);
    return code != SQLITE_OK ? code : now == on ? SQLITE_OK : SQLITE_ERROR;
}

// A file of a VFS that is written in Swift. SQLite knows its first member; Swift structures have no fixed layout.
typedef struct csqlite_file {
    sqlite3_file base;
    void *state;
} csqlite_file;

// Result codes made of two others, which Swift does not compute.
static const int csqlite_IOERR_READ = SQLITE_IOERR_READ;
static const int csqlite_IOERR_WRITE = SQLITE_IOERR_WRITE;
static const int csqlite_IOERR_SHORT_READ = SQLITE_IOERR_SHORT_READ;
static const int csqlite_IOERR_DATA = SQLITE_IOERR_DATA;

#endif
