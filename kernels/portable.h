// SPDX-License-Identifier: Apache-2.0
#pragma once

/// A function that both the C++ compiler and nvcc compile, for the host and for the device.
#ifdef __CUDACC__
#define ONESTEP_HOST_DEVICE __host__ __device__
#else
#define ONESTEP_HOST_DEVICE
#endif

/// Builds are for every x86-64 machine; a function marked so is compiled for wider vectors too, and the
/// loader picks. The files that use it are compiled with -ffp-contract=off, so that every copy gives the same
/// bits. The levels name what comes with the wide vectors, too: AVX-512 alone cannot pack 16-bit numbers.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__)
#define ONESTEP_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ONESTEP_VECTOR_CLONES
#endif
