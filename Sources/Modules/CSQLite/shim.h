// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CSQLITE_SHIM_H
#define GATEHOUSE_CSQLITE_SHIM_H

#include <sqlite3.h>

#endif
