// SPDX-License-Identifier: Apache-2.0

public import Platform

/// A value as SQLite stores it (sqlite.org/datatype3.html).
@usableFromInline package enum SQLiteValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

/// What can be bound to a `?` of a statement.
@usableFromInline package protocol SQLiteConvertible {
    var sqliteValue: SQLiteValue { get }
}

extension SQLiteValue: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { self }
}

extension Int: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { .integer(Int64(self)) }
}

extension Int64: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { .integer(self) }
}

extension Bool: SQLiteConvertible {
    /// 1 or 0.
    @usableFromInline package var sqliteValue: SQLiteValue { .integer(self ? 1 : 0) }
}

extension Double: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { .real(self) }
}

extension String: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { .text(self) }
}

extension [UInt8]: SQLiteConvertible {
    @usableFromInline package var sqliteValue: SQLiteValue { .blob(self) }
}

extension WallTime: SQLiteConvertible {
    /// Milliseconds since 1970.
    @usableFromInline package var sqliteValue: SQLiteValue { .integer(milliseconds) }
}

extension Optional: SQLiteConvertible where Wrapped: SQLiteConvertible {
    /// `nil` is NULL.
    @usableFromInline package var sqliteValue: SQLiteValue { self?.sqliteValue ?? .null }
}
