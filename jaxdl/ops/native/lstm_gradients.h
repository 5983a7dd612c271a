// The gradients of a long short-term memory over whole sequences, see lstm.h.
#pragma once

#include "lstm.h"

namespace jaxdl {

// The recurrent weights of all directions, transposed, in panels (4 * units, kColumns); the last ends in zeros.
class TurnedPanels {
 public:
  TurnedPanels(const Sequences& all, const float* recurrent)
      : count_((all.units + kColumns - 1) / kColumns), size_(all.gates() * kColumns) {
    data_ = RoomForNumbers(Purpose::kPanels, all.directions * count_ * size_);
    for (int64_t direction = 0; direction < all.directions; direction++)
      for (int64_t number = 0; number < count_; number++)
        for (int64_t column = 0; column < kColumns; column++) {
          const int64_t unit = number * kColumns + column;
          float* to = data_ + (direction * count_ + number) * size_ + column;
          const float* from = recurrent + (direction * all.units + unit) * all.gates();
          for (int64_t k = 0; k < all.gates(); k++) to[k * kColumns] = unit < all.units ? from[k] : 0.0f;
        }
  }
  int64_t count() const { return count_; }
  const float* Of(int64_t direction, int64_t number) const { return data_ + (direction * count_ + number) * size_; }

 private:
  int64_t count_, size_;
  float* data_;
};

// Where a step of one example has the numbers of one direction. The gradients of the state are those after the step, and
// then what of those before it does not come through the gates. `of_output` is null where outputs have no gradient.
struct BackPlace {
  const float *gates, *cells, *cells_before, *of_output;
  float *of_gates, *of_h, *of_c;
  int64_t units;
  bool valid;
};

// The gradients of the gates of a few units, from `first` on.
inline void CellBack(const BackPlace at, int64_t first) {
  Vector of_h = Load(at.of_h + first);
  if (at.of_output) of_h += Load(at.of_output + first);
  const auto gate = [&](int64_t number) { return Load(at.gates + number * at.units + first); };
  const auto put = [&](int64_t number, Vector value) { Store(at.of_gates + number * at.units + first, value); };
  if (!at.valid) {
    Store(at.of_h + first, of_h);
    for (int64_t number = 0; number < 4; number++) put(number, Vector{});
    return;
  }
  const Vector i = gate(0), f = gate(1), g = gate(2), o = gate(3);
  const Vector squashed = Tanh(Load(at.cells + first));
  const Vector of_c = Load(at.of_c + first) + of_h * o * (1.0f - squashed * squashed);
  put(0, of_c * g * i * (1.0f - i));
  put(1, of_c * Load(at.cells_before + first) * f * (1.0f - f));
  put(2, of_c * i * (1.0f - g * g));
  put(3, of_h * squashed * o * (1.0f - o));
  Store(at.of_c + first, of_c * f);
  Store(at.of_h + first, Vector{});
}

// The arrays of a backward pass; `of_outputs` is null where outputs have no gradient.
struct BackSteps {
  const Sequences& all;
  const TurnedPanels& panels;
  const float *gates, *cells, *c, *of_outputs;
  float *of_gates, *of_c;

  // Goes back over one step of one direction for examples [first, last). Rows of `of_h` are those of the examples.
  void Make(int64_t direction, int64_t number, int64_t first, int64_t last, float* of_h) const {
    const int64_t units = all.units, each = all.directions * units, pitch = panels.count() * kColumns;
    const int64_t step = all.Step(direction, number);
    for (int64_t example = first; example < last; example++) {
      const int64_t at = all.At(example, step, direction), state = example * each + direction * units;
      const float* before = number ? cells + all.At(example, all.Step(direction, number - 1), direction) * units
                                   : c + state;
      const BackPlace place{gates + at * 4 * units, cells + at * units, before,
                            of_outputs ? of_outputs + at * units : nullptr, of_gates + at * 4 * units,
                            of_h + (example - first) * pitch, of_c + state, units, step < all.lengths[example]};
      for (int64_t unit = 0; unit < units; unit += kLanes) CellBack(place, unit);
      if (number) {  // what the next step to go back over reads comes to the cache meanwhile
        const int64_t next = all.At(example, all.Step(direction, number - 1), direction);
        Fetch(gates + next * 4 * units, 4 * units);
        Fetch(number > 1 ? cells + all.At(example, all.Step(direction, number - 2), direction) * units : c + state, units);
      }
    }
    for (int64_t panel = 0; panel < panels.count(); panel++)
      for (int64_t example = first; example < last; example += kRows) {
        const Rows rows{of_gates + all.At(example, step, direction) * 4 * units, all.pitch() * 4 * units};
        MultiplyRows<false>(std::min(kRows, last - example), rows, 4 * units, panels.Of(direction, panel),
                            of_h + (example - first) * pitch + panel * kColumns, pitch);
      }
  }
};

inline ffi::Error LstmGates(Buffer recurrent, Buffer c, Buffer lengths, Buffer gates, Buffer cells, Buffer of_outputs,
                            Buffer of_last_h, Buffer of_last_c, Output of_gates, Output of_h, Output of_c,
                            Sizes reverse, int64_t threads) {
  return Guarded([&] {
    const auto sizes = cells.dimensions();
    const Sequences all{sizes[0], sizes[1], sizes[2], sizes[3], 0, reverse,
                        static_cast<const int32_t*>(lengths.untyped_data())};
    const TurnedPanels panels(all, Numbers(recurrent));
    const BackSteps steps{all, panels, Numbers(gates), Numbers(cells), Numbers(c),
                          of_outputs.element_count() ? Numbers(of_outputs) : nullptr, Numbers(*of_gates),
                          Numbers(*of_c)};
    std::memcpy(steps.of_c, of_last_c.untyped_data(), of_last_c.size_bytes());
    all.InShares(threads, [&](int64_t direction, int64_t first, int64_t last) {
      const int64_t pitch = panels.count() * kColumns, units = all.units;
      float* rows = RoomForNumbers(Purpose::kState, (last - first) * pitch);
      std::fill_n(rows, (last - first) * pitch, 0.0f);
      const auto state = [&](int64_t example) { return (example * all.directions + direction) * units; };
      for (int64_t example = first; example < last; example++)
        std::copy_n(Numbers(of_last_h) + state(example), units, rows + (example - first) * pitch);
      for (int64_t number = all.time - 1; number >= 0; number--) steps.Make(direction, number, first, last, rows);
      for (int64_t example = first; example < last; example++)
        std::copy_n(rows + (example - first) * pitch, units, Numbers(*of_h) + state(example));
    });
  });
}

// What a step was given, for the gradients of the weights: rows of the state before, the inputs and a one.
struct Given {
  const Sequences& all;
  const float *inputs, *h, *outputs;

  int64_t size() const { return all.units + all.features + 1; }
  void Copy(int64_t example, int64_t step, int64_t direction, float* to) const {
    const int64_t number = all.Step(direction, step);  // Step is its own inverse
    const float* before = number ? outputs + all.At(example, all.Step(direction, number - 1), direction) * all.units
                                 : h + (example * all.directions + direction) * all.units;
    std::copy_n(before, all.units, to);
    std::copy_n(inputs + (example * all.time + step) * all.features, all.features, to + all.units);
    to[all.units + all.features] = 1.0f;
  }
};

// Adds up the gradients of the weights to some columns of the gates of one direction, over all examples and steps.
//
// sums: (columns / kColumns, given.size(), kColumns). The order of the sums is that of examples and steps.
inline void AddWeights(const Given& given, const float* of_gates, int64_t direction, int64_t column, int64_t columns,
                       float* sums) {
  constexpr int64_t kDepth = 128;  // steps whose rows and panels fit into a first-level cache, or nearly so
  const Sequences& all = given.all;
  const int64_t size = given.size(), pitch = (size + 15) / 16 * 16, steps = all.batch * all.time;
  float* rows = RoomForNumbers(Purpose::kState, kDepth * (pitch + kColumns));
  float* panel = rows + kDepth * pitch;
  std::fill_n(sums, size * columns, 0.0f);
  for (int64_t begin = 0; begin < steps; begin += kDepth) {
    const int64_t depth = std::min(kDepth, steps - begin);
    for (int64_t k = 0; k < depth; k++)
      given.Copy((begin + k) / all.time, (begin + k) % all.time, direction, rows + k * pitch);
    for (int64_t done = 0; done < columns; done += kColumns) {
      for (int64_t k = 0; k < depth; k++)
        std::copy_n(of_gates + ((begin + k) * all.directions + direction) * all.gates() + column + done, kColumns,
                    panel + k * kColumns);
      for (int64_t row = 0; row < size; row += kRows)
        MultiplyRows<true>(std::min(kRows, size - row), {rows + row, pitch}, depth, panel,
                           sums + done * size + row * kColumns, kColumns);
    }
  }
}

inline ffi::Error LstmWeights(Buffer inputs, Buffer h, Buffer outputs, Buffer of_gates, Output kernel, Output recurrent,
                              Output bias, Sizes reverse, int64_t threads) {
  return Guarded([&] {
    const auto sizes = outputs.dimensions();
    const Sequences all{sizes[0], sizes[1], sizes[2], sizes[3], inputs.dimensions()[2], reverse, nullptr};
    const Given given{all, Numbers(inputs), Numbers(h), Numbers(outputs)};
    const int64_t gates = all.gates(), panels = gates / kColumns;
    InShares(all.directions * panels, threads, [&](int64_t, int64_t first, int64_t last) {
      const WithoutDenormals set;
      for (int64_t direction = first / panels; direction * panels < last; direction++) {
        const int64_t start = direction * panels;
        const int64_t column = std::max(first - start, int64_t{0}) * kColumns;
        const int64_t columns = std::min(last - start, panels) * kColumns - column;
        float* sums = RoomForNumbers(Purpose::kSums, given.size() * columns);
        AddWeights(given, Numbers(of_gates), direction, column, columns, sums);
        for (int64_t row = 0; row < given.size(); row++) {
          const int64_t input = row - all.units;
          float* to = input < 0               ? Numbers(*recurrent) + (direction * all.units + row) * gates
                      : input < all.features ? Numbers(*kernel) + (direction * all.features + input) * gates
                                             : Numbers(*bias) + direction * gates;
          for (int64_t done = 0; done < columns; done += kColumns)
            std::copy_n(sums + done * given.size() + row * kColumns, kColumns, to + column + done);
        }
      }
    });
  });
}

}  // namespace jaxdl
