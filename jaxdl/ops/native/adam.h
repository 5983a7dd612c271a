// Adam's step of all parameters at once, in place: each number is read and written once.
#pragma once

#include <cfloat>
#include <cmath>

#include "common.h"
#include "tile.h"

namespace jaxdl {

// An array of fewer numbers is one thread's: to share it would take longer.
constexpr int64_t kDivided = 8192;
// Numbers in a line of the cache, which two threads should not both write to.
constexpr int64_t kLine = 16;

// The square root to about a unit in the last place, of numbers of which none is negative.
//
// A core has one unit for exact roots and quotients, which takes longer for both than memory does. So the root is made
// of the processor's estimate of the inverse root, by one step of Newton's method.
inline Vector Root(Vector x) {
#if defined(__AVX512F__)
  const __m512 all = (__m512)x, least = _mm512_set1_ps(FLT_MIN), one = _mm512_set1_ps(1), half = _mm512_set1_ps(0.5f);
  const __m512 inverse = _mm512_rsqrt14_ps(_mm512_max_ps(all, least)), root = _mm512_mul_ps(all, inverse);
  const __m512 off = _mm512_fnmadd_ps(root, inverse, one);
  const Vector found = (Vector)_mm512_fmadd_ps(_mm512_mul_ps(root, half), off, root);
  return x <= Vector{} + FLT_MAX ? found : x;  // of infinity it is infinity, not 0 times infinity
#else
  Vector root;
  for (int64_t i = 0; i < kLanes; i++) root[i] = std::sqrt(x[i]);
  return root;
#endif
}

// The numbers of a step; a running mean is `keep` times the old one and `take` times the new number.
struct AdamNumbers {
  float keep_mean, take_mean, keep_square, take_square;
  // Added to the root; factors of the direction and, for decay, of the parameter in what is added to the parameter.
  float eps, along, decay;
};

// Where the numbers of an array are read, and where the new ones are written.
struct AdamArrays {
  const float *gradient, *param, *mean, *square;
  float *new_param, *new_mean, *new_square;
};

// The step of whole registers. All numbers of all arrays go through this very code, so that bits depend neither on the
// place of a number nor on the threads.
template <bool kDecays>
[[gnu::noinline]] void AdamStep(const AdamNumbers by, const AdamArrays at, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; i += kLanes) {
    const Vector gradient = Load(at.gradient + i), param = Load(at.param + i);
    const Vector mean = by.keep_mean * Load(at.mean + i) + by.take_mean * gradient;
    const Vector square = by.keep_square * Load(at.square + i) + by.take_square * (gradient * gradient);
    Vector update = by.along * (mean / (Root(square) + by.eps));
    if constexpr (kDecays) update += by.decay * param;
    Store(at.new_mean + i, mean);
    Store(at.new_square + i, square);
    Store(at.new_param + i, param + update);
  }
}

// The step of any range; what is left beside whole registers goes through registers that are filled up.
template <bool kDecays>
void AdamRange(const AdamNumbers& by, const AdamArrays& at, int64_t first, int64_t last) {
  const int64_t whole = first + (last - first) / kLanes * kLanes;
  AdamStep<kDecays>(by, at, first, whole);
  if (whole == last) return;
  float filled[4][kLanes] = {};
  const size_t bytes = (last - whole) * sizeof(float);
  const float* const from[] = {at.gradient, at.param, at.mean, at.square};
  for (int each = 0; each < 4; each++) std::memcpy(filled[each], from[each] + whole, bytes);
  AdamStep<kDecays>(by, {filled[0], filled[1], filled[2], filled[3], filled[1], filled[2], filled[3]}, 0, kLanes);
  float* const to[] = {at.new_param, at.new_mean, at.new_square};
  for (int each = 0; each < 3; each++) std::memcpy(to[each] + whole, filled[each + 1], bytes);
}

// The step of all parameters. `in`: all gradients, all parameters, all running means of gradients, and all those of
// squared gradients; `out`: the last three anew, in the memory of the old ones. `decays`: of which parameters decay.
//
// Threads share each large array in ranges that are the same in every step, so that a core finds its own in its cache.
inline ffi::Error Adam(Buffer numbers, ffi::RemainingArgs in, ffi::RemainingRets out, Sizes decays, int64_t threads) {
  return Guarded([&] {
    const int64_t count = decays.size();
    const auto* by = static_cast<const AdamNumbers*>(numbers.untyped_data());
    const auto read = [&](int64_t place) { return static_cast<const float*>(in.get<Buffer>(place)->untyped_data()); };
    const auto write = [&](int64_t place) { return static_cast<float*>((*out.get<Buffer>(place))->untyped_data()); };
    std::vector<AdamArrays> arrays(count);
    std::vector<int64_t> sizes(count);
    for (int64_t n = 0; n < count; n++) {
      arrays[n] = {read(n), read(count + n), read(2 * count + n), read(3 * count + n),
                   write(n), write(count + n), write(2 * count + n)};
      sizes[n] = in.get<Buffer>(n)->element_count();
    }
    const int64_t largest = count ? *std::max_element(sizes.begin(), sizes.end()) : 0;
    const int64_t shares = SharesOf(2 * largest / kDivided, threads);
    InShares(shares, shares, [&](int64_t share, int64_t, int64_t) {
      const WithoutDenormals quick;
      for (int64_t n = 0; n < count; n++) {
        const bool divided = sizes[n] >= kDivided;
        if (!divided && share) continue;
        const auto cut = [&](int64_t part) {
          return part == shares || !divided ? sizes[n] * (part > 0) : sizes[n] / kLine * part / shares * kLine;
        };
        const auto range = decays[n] ? AdamRange<true> : AdamRange<false>;
        range(*by, arrays[n], cut(share), cut(share + 1));
      }
    });
  });
}

}  // namespace jaxdl
