// Products of a few rows with a panel of a matrix, in a processor's registers, and functions of a whole register.
//
// A product is still in the first-level cache when what follows it needs it. Each row is summed up in the same order,
// however many rows are multiplied together.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

namespace jaxdl {

// Numbers in a register; rows whose sums, with the registers of a panel's row, fit into all registers; panel's columns.
#if defined(__AVX512F__)
constexpr int64_t kLanes = 16, kRows = 6;
#else
constexpr int64_t kLanes = 8, kRows = 3;
#endif
constexpr int64_t kVectors = 4, kColumns = kVectors * kLanes;

typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

inline Vector Load(const float* from) {
  Vector value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline void Store(float* to, Vector value) { std::memcpy(to, &value, sizeof(value)); }

// Writes a register to memory and not to the caches, as what is read much later; `Settle` before others may read it.
inline void StoreFar(float* to, Vector value) {
#if defined(__AVX512F__)
  if (reinterpret_cast<uintptr_t>(to) % sizeof(value) == 0) {
    _mm512_stream_ps(to, (__m512)value);
    return;
  }
#endif
  Store(to, value);
}
inline void Settle() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Asks for numbers that are read later.
inline void Fetch(const float* numbers, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(numbers + i, 0, 2);
}

// XLA's own threads take numbers below 1e-38 as zero; the same here, so that results do not depend on who computes them.
class WithoutDenormals {
 public:
#if defined(__x86_64__)
  WithoutDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~WithoutDenormals() { _mm_setcsr(before_); }

 private:
  const unsigned before_;
#endif
};

// A few rows of a matrix: element (row, k) is at `row * pitch + k`; turned, at `k * pitch + row`.
struct Rows {
  const float* first;
  int64_t pitch;
};

// Adds the product of R rows, `depth` long, and a panel (depth, kColumns) to sums, whose rows are `pitch` apart.
template <int R, bool kTurned>
void Multiply(Rows rows, int64_t depth, const float* panel, float* sums, int64_t pitch) {
  Vector sum[R][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) sum[r][v] = Load(sums + r * pitch + v * kLanes);
  for (int64_t k = 0; k < depth; k++) {
    Vector row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) row[v] = Load(panel + k * kColumns + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const float factor = rows.first[kTurned ? k * rows.pitch + r : r * rows.pitch + k];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; v++) sum[r][v] += factor * row[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) Store(sums + r * pitch + v * kLanes, sum[r][v]);
}

// The same for as many rows as there are, kRows at most.
template <bool kTurned, int R = kRows>
void MultiplyRows(int64_t count, Rows rows, int64_t depth, const float* panel, float* sums, int64_t pitch) {
  if (count >= R)
    Multiply<R, kTurned>(rows, depth, panel, sums, pitch);
  else if constexpr (R > 1)
    MultiplyRows<kTurned, R - 1>(count, rows, depth, panel, sums, pitch);
}

// tanh to a few units in the last place, as XLA's: a quotient of two polynomials, by Eigen's coefficients. NaN stays NaN.
inline Vector Tanh(Vector x) {
  const Vector most = Vector{} + 7.90531110763549805f;
  x = x > most ? most : x;
  x = x < -most ? -most : x;
  const Vector s = x * x;
  Vector above = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
  above = above * s + -8.60467152213735e-11f;
  above = above * s + 5.12229709037114e-08f;
  above = above * s + 1.48572235717979e-05f;
  above = above * s + 6.37261928875436e-04f;
  above = above * s + 4.89352455891786e-03f;
  Vector below = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
  below = below * s + 2.26843463243900e-03f;
  below = below * s + 4.89352518554385e-03f;
  return x * above / below;
}

inline Vector Sigmoid(Vector x) { return 0.5f + 0.5f * Tanh(0.5f * x); }

}  // namespace jaxdl
