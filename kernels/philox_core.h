// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/portable.h"

/// The arithmetic of counter-based noise, shared by the CPU and the CUDA kernel so that both give the same
/// bits. Only integer operations and + − × ÷ √ in float32 are used: IEEE 754 fixes their results, provided
/// that the compiler contracts nothing to fma (-ffp-contract=off, -fmad=false; see CMakeLists.txt). No call
/// to libm.
namespace onestep::kernels {

/// Four 32-bit words: a Philox counter, or the random words made from it.
struct PhiloxBlock {
  uint32_t word[4];
};

/// Philox4x32-10: the words of one counter under a 64-bit key (Salmon, Moraes, Dror, Shaw 2011, "Parallel
/// random numbers: as easy as 1, 2, 3", §3.3; 10 rounds of two 32×32→64-bit products, the key advancing by
/// Weyl constants).
ONESTEP_HOST_DEVICE inline PhiloxBlock philox4x32_10(PhiloxBlock counter, uint64_t key) {
  uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 10  // lets the loop over blocks around it become vector code; nvcc unrolls unasked
#endif
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

/// The counter of block `block` of one image's stream: (block, purpose, index low, index high).
ONESTEP_HOST_DEVICE inline PhiloxBlock philox_counter(uint32_t block, uint32_t purpose, uint64_t index) {
  return {{block, purpose, static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32)}};
}

/// ln u for u in [2^-32, 1], to 2e-7 relative; never positive, exactly 0 at 1.
/// u = m 2^e with m in [√½, √2); ln m = 2 artanh s, s = (m−1)/(m+1), as 2s + s³ P(s²).
/// P: Chebyshev fit of degree 2 on s² ≤ 0.0295, error 2e-7, which s³ scales down to 1e-9.
ONESTEP_HOST_DEVICE inline float philox_log(float u) {
  int32_t bits;
  memcpy(&bits, &u, sizeof bits);
  const int32_t exponent = (bits - 0x3F3504F3) >> 23;  // 0x3F3504F3 is √½
  bits -= exponent * (1 << 23);
  float m;
  memcpy(&m, &bits, sizeof m);
  const float f = m - 1.0f, s = f / (f + 2.0f), z = s * s;
  const float p = 0.66666687f + z * (0.3998878f + z * 0.2957995f);
  return static_cast<float>(exponent) * 0.69314718f + (s * 2.0f + s * z * p);
}

/// Two independent standard normals from two random words (Box and Muller 1958):
///   radius √(−2 ln u), u = (a | 1) 2^-32 rounded to float32, so |z| ≤ √(64 ln 2) = 6.66;  angle 2π b / 2^32.
/// The angle is reduced exactly, in integers, to a quadrant and v = t / 2^30 in [−½, ½); then sin and cos of
/// v π/2 are Chebyshev fits in v², errors 5e-9 and 2e-10.
ONESTEP_HOST_DEVICE inline void philox_normal_pair(uint32_t a, uint32_t b, float& z0, float& z1) {
  a |= 1;
  // By halves of 16 bits: rounds once, like a direct conversion, which has no vector instruction before
  // AVX-512.
  const float wide = static_cast<float>(static_cast<int32_t>(a >> 16)) * 65536.0f +
                     static_cast<float>(static_cast<int32_t>(a & 0xFFFF));
  const float radius = sqrtf(philox_log(wide * 0x1p-32f) * -2.0f);

  const uint32_t quadrant = (b + 0x20000000u) >> 30;
  const float v = static_cast<float>(static_cast<int32_t>(b - (quadrant << 30))) * 0x1p-30f, w = v * v;
  const float sine = v * (1.57079637f + w * (-0.6459635f + w * (0.07968022f + w * -0.00460215f)));
  const float cosine = 1.0f + w * (-1.23370051f + w * (0.25366941f + w * (-0.02086153f + w * 0.00090674f)));
  const bool odd = quadrant & 1;
  const float x = odd ? sine : cosine, y = odd ? cosine : sine;
  z0 = radius * (((quadrant + 1) & 2) ? -x : x);
  z1 = radius * ((quadrant & 2) ? -y : y);
}

/// A multiple of 2^-24 in [0, 1) from the word's upper 24 bits; exact.
ONESTEP_HOST_DEVICE inline float philox_unit(uint32_t a) {
  return static_cast<float>(static_cast<int32_t>(a >> 8)) * 0x1p-24f;
}

/// How the four words of a block become four values.
enum class PhiloxLaw : int32_t { normal, uniform };

/// The four values of one block of a stream.
template <PhiloxLaw law>
ONESTEP_HOST_DEVICE inline void philox_values(uint64_t seed, uint32_t purpose, uint64_t index, uint32_t block,
                                              float* value) {
  const PhiloxBlock bits = philox4x32_10(philox_counter(block, purpose, index), seed);
  if constexpr (law == PhiloxLaw::normal) {
    philox_normal_pair(bits.word[0], bits.word[1], value[0], value[1]);
    philox_normal_pair(bits.word[2], bits.word[3], value[2], value[3]);
  } else {
    for (int i = 0; i < 4; ++i) value[i] = philox_unit(bits.word[i]);
  }
}

/// Fills out, float32 [rows, row_size], with the streams of `indices` (int64 [rows]). Host pointers.
void philox_cpu(PhiloxLaw law, uint64_t seed, uint32_t purpose, const int64_t* indices, int64_t rows,
                int64_t row_size, float* out);

/// The same on a CUDA device (device pointers and a cudaStream_t), in the plugin; nullptr, or CUDA's error
/// message.
extern "C" const char* onestep_philox_cuda(PhiloxLaw law, uint64_t seed, uint32_t purpose,
                                           const int64_t* indices, int64_t rows, int64_t row_size, float* out,
                                           void* stream);

}  // namespace onestep::kernels
