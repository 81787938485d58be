// SPDX-License-Identifier: Apache-2.0

import SQLite

enum PageRewriter {
    static func recover(_ file: SealedFile) throws(SQLiteError) {}
}
