// SPDX-License-Identifier: Apache-2.0

import Gateway

/// `Testing` has a `Tag` too, and the module's own name is that of its class: here, where Testing is not imported, the name
/// is clear.
typealias FieldTag = Tag
