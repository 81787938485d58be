// SPDX-License-Identifier: Apache-2.0

import CSQLite

extension SQLiteConnection {
    /// Pages that statements have asked for since the connection was opened, from the cache or the disk: what work costs,
    /// whatever the machine is doing (sqlite.org/c3ref/c_dbstatus_options.html).
    package var pageFetches: Int {
        requireOwner()
        return [SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS].reduce(0) { sum, kind in
            var now: CInt = 0
            var highest: CInt = 0
            // The call writes to the two locals only.
            unsafe sqlite3_db_status(database, kind, &now, &highest, 0)
            return sum + Int(now)
        }
    }
}
