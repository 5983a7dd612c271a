// A convolution followed by maximum pooling, and its two gradients.
#pragma once

#include "convolution.h"

namespace jaxdl {

inline float Number(float value) { return value; }

inline float Number(uint16_t bfloat16) {
  const uint32_t bits = static_cast<uint32_t>(bfloat16) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// Sizes of pooling: of the convolution's result, and of the windows, which do not overlap.
struct Tiles {
  int64_t height, width, features, down, across;
  int64_t rows() const { return height / down; }
  int64_t columns() const { return width / across; }
  int64_t image() const { return height * width * features; }
  int64_t offset(int64_t number) const { return (number / across * width + number % across) * features; }
  int64_t pooled() const { return rows() * columns() * features; }
};

// Both take the sizes by value: a compiler must assume that a store to `places` changes what a reference refers to.

// The maximum of each window, and which of its elements it is: the first of equal ones, or the first NaN.
template <class T>
void Pool(const Tiles tiles, const T* image, T* greatest, uint8_t* places) {
  for (int64_t row = 0; row < tiles.rows(); row++)
    for (int64_t column = 0; column < tiles.columns(); column++) {
      const int64_t at = (row * tiles.columns() + column) * tiles.features;
      const T* first = image + (row * tiles.down * tiles.width + column * tiles.across) * tiles.features;
      T* __restrict best = greatest + at;
      uint8_t* __restrict place = places + at;
      std::memcpy(best, first, tiles.features * sizeof(T));
      std::memset(place, 0, tiles.features);
      for (uint8_t number = 1; number < tiles.down * tiles.across; number++) {
        const T* __restrict next = first + tiles.offset(number);
        for (int64_t i = 0; i < tiles.features; i++) {
          const float old = Number(best[i]);
          const bool better = old == old && !(old >= Number(next[i]));
          best[i] = better ? next[i] : best[i];
          place[i] = better ? number : place[i];
        }
      }
    }
}

// The gradient of the convolution's result from that of its maxima: zero everywhere else.
template <class T>
void Spread(const Tiles tiles, const T* gradient, const uint8_t* places, T* image) {
  if (tiles.rows() * tiles.down != tiles.height || tiles.columns() * tiles.across != tiles.width)
    std::memset(image, 0, tiles.image() * sizeof(T));
  for (int64_t row = 0; row < tiles.rows(); row++)
    for (int64_t column = 0; column < tiles.columns(); column++) {
      const int64_t at = (row * tiles.columns() + column) * tiles.features;
      T* first = image + (row * tiles.down * tiles.width + column * tiles.across) * tiles.features;
      const T* __restrict from = gradient + at;
      const uint8_t* __restrict place = places + at;
      for (uint8_t number = 0; number < tiles.down * tiles.across; number++) {
        T* __restrict to = first + tiles.offset(number);
        for (int64_t i = 0; i < tiles.features; i++) to[i] = place[i] == number ? from[i] : T(0);
      }
    }
}

// The stage: a convolution and maximum pooling, `block` images at a time, so that the result stays in the cache; a block
// divides the images.
struct Stage {
  Tiles tiles;
  Sizes x, k, window;
  int64_t block, threads;
  Type type;

  Plan& PlanFor(Pass pass) const {
    const Shape shape(x, k, tiles.height, tiles.width, window, block);
    return PlanOf(pass, shape, type, pass == Pass::kKernel ? Type::f32 : type);
  }
  char* Result() const { return RoomFor(Purpose::kImages, block * tiles.image() * BytesOf(type)); }

  // Calls `body(plan, begin(share, plan), first image, whether it is the share's first)` for each block.
  template <class Begin, class Body>
  void ForBlocks(Pass pass, Begin begin, Body body) const {
    InShares(x[0] / block, threads, [&](int64_t share, int64_t first, int64_t last) {
      Plan& plan = PlanFor(pass);
      void* kernel = begin(share, plan);
      for (int64_t each = first; each < last; each++) body(plan, kernel, each * block, each == first);
    });
  }
  // The gradient of the convolution's result for a block.
  void* SpreadBlock(const Buffer& gradient, const Buffer& places, int64_t first) const {
    char* result = Result();
    for (int64_t image = 0; image < block; image++) {
      const auto* place = reinterpret_cast<const uint8_t*>(ImageOf(places, first + image));
      if (type == Type::f32)
        Spread(tiles, reinterpret_cast<float*>(ImageOf(gradient, first + image)), place,
               reinterpret_cast<float*>(result) + image * tiles.image());
      else
        Spread(tiles, reinterpret_cast<uint16_t*>(ImageOf(gradient, first + image)), place,
               reinterpret_cast<uint16_t*>(result) + image * tiles.image());
    }
    return result;
  }
  void PoolBlock(const Buffer& greatest, const Buffer& places, int64_t first) const {
    for (int64_t image = 0; image < block; image++) {
      auto* place = reinterpret_cast<uint8_t*>(ImageOf(places, first + image));
      if (type == Type::f32)
        Pool(tiles, reinterpret_cast<float*>(Result()) + image * tiles.image(),
             reinterpret_cast<float*>(ImageOf(greatest, first + image)), place);
      else
        Pool(tiles, reinterpret_cast<uint16_t*>(Result()) + image * tiles.image(),
             reinterpret_cast<uint16_t*>(ImageOf(greatest, first + image)), place);
    }
  }
};

inline ffi::Error Pooled(Buffer x, Buffer k, Output greatest, Output places, Sizes window, Sizes size, Sizes pool,
                  int64_t block, int64_t threads) {
  return Guarded([&] {
    const Tiles tiles{size[0], size[1], k.dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x.dimensions(), k.dimensions(), window, block, threads, TypeOf(x)};
    stage.ForBlocks(
        Pass::kOutputs, [&](int64_t, Plan& plan) { return InOwnLayout(plan, k.untyped_data()); },
        [&](Plan& plan, void* kernel, int64_t first, bool) {
          Run(Pass::kOutputs, plan, ImageOf(x, first), kernel, stage.Result());
          stage.PoolBlock(*greatest, *places, first);
        });
  });
}

inline ffi::Error PooledInputs(Buffer k, Buffer places, Buffer gradient, Output x, Sizes window, Sizes size, Sizes pool,
                        int64_t block, int64_t threads) {
  return Guarded([&] {
    const Tiles tiles{size[0], size[1], k.dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x->dimensions(), k.dimensions(), window, block, threads, TypeOf(gradient)};
    stage.ForBlocks(
        Pass::kInputs, [&](int64_t, Plan& plan) { return InOwnLayout(plan, k.untyped_data()); },
        [&](Plan& plan, void* kernel, int64_t first, bool) {
          Run(Pass::kInputs, plan, ImageOf(*x, first), kernel, stage.SpreadBlock(gradient, places, first));
        });
  });
}

inline ffi::Error PooledKernel(Buffer x, Buffer places, Buffer gradient, Output k, Sizes window, Sizes size, Sizes pool,
                        int64_t block, int64_t threads) {
  return Guarded([&] {
    const Tiles tiles{size[0], size[1], k->dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x.dimensions(), k->dimensions(), window, block, threads, TypeOf(gradient)};
    KernelSums sums(SharesOf(x.dimensions()[0] / block, threads), stage.PlanFor(Pass::kKernel));
    stage.ForBlocks(
        Pass::kKernel, [&](int64_t share, Plan&) { return sums.Of(share); },
        [&](Plan& plan, void* sum, int64_t first, bool is_first) {
          const size_t bytes = plan.kernel.get_size();
          void* part = is_first ? sum : RoomFor(Purpose::kKernel, bytes);
          Run(Pass::kKernel, plan, ImageOf(x, first), part, stage.SpreadBlock(gradient, places, first));
          if (!is_first)
            KernelSums::Add(static_cast<float*>(sum), static_cast<float*>(part), bytes / sizeof(float));
        });
    sums.Write(k->untyped_data());
  });
}


}  // namespace jaxdl
