// Matrix products.
#pragma once

#include <array>

#include "common.h"

namespace jaxdl {

// A matrix as it lies in memory: (rows, columns), or turned, its columns first.
struct Matrix {
  int64_t rows, columns;
  bool turned;
  // Distance between rows and between columns, in elements.
  int64_t down() const { return turned ? 1 : columns; }
  int64_t across() const { return turned ? rows : 1; }
};

struct ProductPlan {
  dnnl::matmul run;
  memory::desc a, b, c, scratch;
};

// The product of `rows` of `a` and `columns` of `b`.
inline ProductPlan& ProductOf(const Matrix& a, const Matrix& b, int64_t rows, int64_t columns, Type type, Type result) {
  using Key = std::array<int64_t, 9>;
  static thread_local std::map<Key, ProductPlan> plans;
  const Key key{rows, columns, a.columns, a.down(), a.across(), b.down(), b.across(), static_cast<int64_t>(type),
                static_cast<int64_t>(result)};
  const auto found = plans.find(key);
  if (found != plans.end()) return found->second;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::desc left({rows, a.columns}, type, memory::dims{a.down(), a.across()});
  const memory::desc right({b.rows, columns}, type, memory::dims{b.down(), b.across()});
  const memory::desc product({rows, columns}, result, memory::dims{b.columns, 1});
  const dnnl::matmul::primitive_desc made(Engine(), left, right, product, attributes);
  return plans.emplace(key, ProductPlan{dnnl::matmul(made), left, right, product, made.scratchpad_desc()}).first->second;
}

// The product of two matrices, each turned or not; threads share the longer side of the result.
inline ffi::Error Product(Buffer a, Buffer b, Output c, int64_t turn_a, int64_t turn_b, int64_t threads) {
  return Guarded([&] {
    const auto of = [](const Buffer& buffer, bool turned) {
      const auto sizes = buffer.dimensions();
      return Matrix{sizes[turned ? 1 : 0], sizes[turned ? 0 : 1], turned};
    };
    const Matrix left = of(a, turn_a != 0), right = of(b, turn_b != 0);
    const bool by_rows = left.rows >= right.columns;
    const Type type = TypeOf(a), result = TypeOf(*c);
    const auto part = [](const Buffer& buffer, int64_t elements) {
      return static_cast<char*>(buffer.untyped_data()) + elements * BytesOf(TypeOf(buffer));
    };
    InShares(by_rows ? left.rows : right.columns, threads, [&](int64_t, int64_t first, int64_t last) {
      ProductPlan& plan = ProductOf(left, right, by_rows ? last - first : left.rows,
                                    by_rows ? right.columns : last - first, type, result);
      const size_t needed = plan.scratch.get_size();
      void* scratch = needed ? RoomFor(Purpose::kScratch, needed) : nullptr;
      plan.run.execute(
          Stream(),
          {{DNNL_ARG_SRC, memory(plan.a, Engine(), part(a, by_rows ? first * left.down() : 0))},
           {DNNL_ARG_WEIGHTS, memory(plan.b, Engine(), part(b, by_rows ? 0 : first * right.across()))},
           {DNNL_ARG_DST, memory(plan.c, Engine(), part(*c, by_rows ? first * right.columns : first))},
           {DNNL_ARG_SCRATCHPAD, memory(plan.scratch, Engine(), scratch)}});
    });
  });
}

}  // namespace jaxdl
