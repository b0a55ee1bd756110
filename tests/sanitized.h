// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Whether the address sanitizer is built in: it takes terabytes of address space, which can't be limited
/// then.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
