// A long short-term memory over whole sequences: its steps, the gradients of its gates, and those of its weights.
//
// Arrays lie as the layers have them, (batch, time, directions, ...), and an example's steps do not depend on other
// examples: threads share examples and directions, and an example has the same bits whoever computes it. The weights
// are cut into panels, of which each has all four gates of a few units, so that a step's sums become gates and states
// while they are in the first-level cache.
#pragma once

#include <algorithm>
#include <cstring>

#include "common.h"
#include "tile.h"

namespace jaxdl {

struct Sequences {
  int64_t batch, time, directions, units, features;
  Sizes reverse;            // for each direction, whether it runs from the last step to the first
  const int32_t* lengths;   // of each example: how many steps change its state

  int64_t gates() const { return 4 * units; }
  // The step that is the `number`th of a direction to run.
  int64_t Step(int64_t direction, int64_t number) const { return reverse[direction] ? time - 1 - number : number; }
  // Where a step of an example begins, in parts of one direction and step.
  int64_t At(int64_t example, int64_t step, int64_t direction) const {
    return (example * time + step) * directions + direction;
  }
  int64_t pitch() const { return time * directions; }

  // Calls `body(direction, first, last)` for examples of one direction, on several threads.
  template <class Body>
  void InShares(int64_t threads, Body body) const {
    jaxdl::InShares(directions * batch, threads, [&](int64_t, int64_t first, int64_t last) {
      const WithoutDenormals set;
      for (int64_t direction = first / batch; direction * batch < last; direction++) {
        const int64_t start = direction * batch;
        body(direction, std::max(first - start, int64_t{0}), std::min(last - start, batch));
      }
    });
  }
};

inline float* Numbers(const Buffer& buffer) { return static_cast<float*>(buffer.untyped_data()); }
inline float* RoomForNumbers(Purpose purpose, int64_t count) {
  return reinterpret_cast<float*>(RoomFor(purpose, count * sizeof(float)));
}

// Copies the gates of a few units, from `first` on, of a matrix (rows, 4 * units) into a panel (rows, kColumns).
inline void PackUnits(const float* matrix, int64_t rows, int64_t units, int64_t first, float* panel) {
  for (int64_t row = 0; row < rows; row++)
    for (int64_t gate = 0; gate < 4; gate++)
      std::memcpy(panel + row * kColumns + gate * kLanes, matrix + (row * 4 + gate) * units + first,
                  kLanes * sizeof(float));
}

// The panels of all directions for a step: rows for the state, for the inputs, and one of the bias.
class Panels {
 public:
  Panels(const Sequences& all, const float* kernel, const float* recurrent, const float* bias)
      : count_(all.units / kLanes), size_((all.units + all.features + 1) * kColumns) {
    data_ = RoomForNumbers(Purpose::kPanels, all.directions * count_ * size_);
    for (int64_t direction = 0; direction < all.directions; direction++)
      for (int64_t number = 0; number < count_; number++) {
        float* panel = data_ + (direction * count_ + number) * size_;
        const int64_t gates = all.gates(), first = number * kLanes;
        PackUnits(recurrent + direction * all.units * gates, all.units, all.units, first, panel);
        panel += all.units * kColumns;
        PackUnits(kernel + direction * all.features * gates, all.features, all.units, first, panel);
        PackUnits(bias + direction * gates, 1, all.units, first, panel + all.features * kColumns);
      }
  }
  const float* Of(int64_t direction, int64_t number) const { return data_ + (direction * count_ + number) * size_; }

 private:
  int64_t count_, size_;
  float* data_;
};

// Where a step of one example has the numbers of one direction; `gates` and `cells` may be null.
struct Place {
  const float* before;
  float *after, *cell, *gates, *cells;
  int64_t units;
  bool valid;
};

// Makes gates and states of a few units, from `first` on, from the sums of their gates.
inline void Cell(const float* sums, const Place at, int64_t first) {
  const Vector c = Load(at.cell + first);
  if (!at.valid) {
    Store(at.after + first, Load(at.before + first));
    if (at.cells) Store(at.cells + first, c);
    return;
  }
  const Vector i = Sigmoid(Load(sums)), f = Sigmoid(Load(sums + kLanes)), g = Tanh(Load(sums + 2 * kLanes)),
               o = Sigmoid(Load(sums + 3 * kLanes));
  const Vector next = f * c + i * g;
  Store(at.cell + first, next);
  Store(at.after + first, o * Tanh(next));
  if (!at.gates) return;
  StoreFar(at.cells + first, next);
  StoreFar(at.gates + first, i);
  StoreFar(at.gates + first + at.units, f);
  StoreFar(at.gates + first + 2 * at.units, g);
  StoreFar(at.gates + first + 3 * at.units, o);
}

// The arrays of a forward pass; `gates` and `cells` are null where no gradient is wanted.
struct Steps {
  const Sequences& all;
  const Panels& panels;
  const float *inputs, *h;
  float *outputs, *c, *gates, *cells;

  // Makes one step of one direction for examples [first, last).
  void Make(int64_t direction, int64_t number, int64_t first, int64_t last) const {
    const int64_t units = all.units, features = all.features, each = all.directions * units;
    const int64_t step = all.Step(direction, number);
    const float* before = number ? outputs + all.At(0, all.Step(direction, number - 1), direction) * units
                                 : h + direction * units;
    const int64_t pitch = number ? all.pitch() * units : each;
    for (int64_t unit = 0; unit < units; unit += kLanes) {
      const float* panel = panels.Of(direction, unit / kLanes);
      for (int64_t example = first; example < last; example += kRows) {
        const int64_t rows = std::min(kRows, last - example);
        float sums[kRows * kColumns];
        for (int64_t row = 0; row < rows; row++)
          std::memcpy(sums + row * kColumns, panel + (units + features) * kColumns, kColumns * sizeof(float));
        MultiplyRows<false>(rows, {before + example * pitch, pitch}, units, panel, sums, kColumns);
        const Rows given{inputs + (example * all.time + step) * features, all.time * features};
        MultiplyRows<false>(rows, given, features, panel + units * kColumns, sums, kColumns);
        for (int64_t row = 0; row < rows; row++) {
          const int64_t at = all.At(example + row, step, direction) * units;
          const Place place{before + (example + row) * pitch, outputs + at, c + (example + row) * each + direction * units,
                            gates ? gates + 4 * at : nullptr, cells ? cells + at : nullptr, units,
                            step < all.lengths[example + row]};
          Cell(sums + row * kColumns, place, unit);
        }
      }
    }
  }
};

inline ffi::Error Lstm(Buffer inputs, Buffer kernel, Buffer recurrent, Buffer bias, Buffer h, Buffer c, Buffer lengths,
                       Output outputs, Output last_h, Output last_c, Output gates, Output cells, Sizes reverse,
                       int64_t threads) {
  return Guarded([&] {
    const auto sizes = outputs->dimensions();
    const Sequences all{sizes[0], sizes[1], sizes[2], sizes[3], inputs.dimensions()[2], reverse,
                        static_cast<const int32_t*>(lengths.untyped_data())};
    const Panels panels(all, Numbers(kernel), Numbers(recurrent), Numbers(bias));
    const bool keeps = gates->element_count() > 0;
    const Steps steps{all, panels, Numbers(inputs), Numbers(h), Numbers(*outputs), Numbers(*last_c),
                      keeps ? Numbers(*gates) : nullptr, keeps ? Numbers(*cells) : nullptr};
    std::memcpy(steps.c, c.untyped_data(), c.size_bytes());
    all.InShares(threads, [&](int64_t direction, int64_t first, int64_t last) {
      for (int64_t number = 0; number < all.time; number++) steps.Make(direction, number, first, last);
      for (int64_t example = first; example < last; example++)
        std::memcpy(Numbers(*last_h) + (example * all.directions + direction) * all.units,
                    steps.outputs + all.At(example, all.Step(direction, all.time - 1), direction) * all.units,
                    all.units * sizeof(float));
      Settle();
    });
  });
}

}  // namespace jaxdl
