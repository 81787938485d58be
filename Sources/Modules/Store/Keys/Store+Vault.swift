// SPDX-License-Identifier: Apache-2.0

package import Core
package import Platform
import SQLite

extension Store: SecretVault {
    package func keys(label: String) throws(StartFailure) -> [Int: SecretBytes] {
        let keyring = try keyring()
        do throws(KeyringFailure) {
            return try keyring.dataKeys(label)
        } catch {
            throw StartFailure("the key \(label) cannot be had: \(error)")
        }
    }

    package func createKey(label: String) throws(DatabaseFailure) -> SecretBytes {
        try withKeyring { keyring throws(KeyringFailure) in try keyring.createDataKey(label) }
    }

    package func key(label: String) throws(DatabaseFailure) -> SecretBytes? {
        try withKeyring { keyring throws(KeyringFailure) in try keyring.dataKey(label) }
    }

    package func destroyKey(label: String) throws(DatabaseFailure) {
        try withKeyring { keyring throws(KeyringFailure) in try keyring.destroyDataKey(label) }
    }

    package func keyLabels(prefix: String) throws(DatabaseFailure) -> [String] {
        try withKeyring { keyring throws(KeyringFailure) in try keyring.dataKeyLabels(prefix: prefix) }
    }

    private func withKeyring<Result>(
        _ body: (Keyring) throws(KeyringFailure) -> Result
    ) throws(DatabaseFailure) -> Result {
        guard let keyring = try? keyring() else { throw .busy }
        do throws(KeyringFailure) {
            return try body(keyring)
        } catch {
            throw DatabaseFailure(SQLiteError(error))
        }
    }
}

extension Store: TenantSalts {
    package func salt(_ label: StaticString, of tenant: TenantID) throws(DatabaseFailure) -> SecretBytes? {
        try withKeyring { keyring throws(KeyringFailure) in
            do throws(KeyringFailure) {
                return try keyring.tenantKeys(tenant).salt(label)
            } catch .unknownTenant {
                return nil
            }
        }
    }
}
