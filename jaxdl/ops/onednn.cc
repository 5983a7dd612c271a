// Convolution, its gradients, and a convolution followed by maximum pooling, computed by oneDNN for XLA's CPU backend.
//
// Arrays are channels last, kernels (height, width, channels, features), as `jaxdl.ops.convolution` has them; in one
// spatial dimension the height is 1. Each handler says how many threads it may use: where the devices of a CPU share a
// batch, each computes its own examples on its own core, and no thread waits for another.
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using dnnl::memory;
using Buffer = ffi::AnyBuffer;
using Output = ffi::Result<ffi::AnyBuffer>;
using Sizes = ffi::Span<const int64_t>;
using Type = memory::data_type;

namespace {

enum class Pass { kOutputs, kInputs, kKernel };

// What a thread keeps from call to call: room for arrays, and oneDNN's primitives, which cost more than small calls.
enum class Room { kKernel, kScratch, kImages, kSum };

char* RoomFor(Room room, size_t bytes) {
  struct Kept {
    char* data = nullptr;
    size_t bytes = 0;
    ~Kept() { std::free(data); }
  };
  static thread_local std::map<Room, Kept> all;
  Kept& kept = all[room];
  if (kept.bytes < bytes) {
    std::free(kept.data);
    kept.bytes = (bytes + 4095) / 4096 * 4096;
    kept.data = static_cast<char*>(std::aligned_alloc(4096, kept.bytes));
    if (kept.data == nullptr) {
      kept.bytes = 0;
      throw std::bad_alloc();
    }
  }
  return kept.data;
}

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& Stream() {
  static thread_local dnnl::stream stream(Engine());
  return stream;
}

Type TypeOf(const Buffer& buffer) { return buffer.element_type() == ffi::DataType::BF16 ? Type::bf16 : Type::f32; }
size_t BytesOf(Type type) { return type == Type::bf16 ? 2 : 4; }

// Sizes of a convolution as oneDNN orders them: (images, channels, height, width), (features, channels, ...).
struct Shape {
  memory::dims inputs, kernel, outputs, strides, holes, before, after;

  // window: strides, distance between kernel elements, padding before and after, two of each.
  Shape(Sizes x, Sizes k, int64_t height, int64_t width, Sizes window, int64_t images)
      : inputs{images, x[3], x[1], x[2]},
        kernel{k[3], k[2], k[0], k[1]},
        outputs{images, k[3], height, width},
        strides{window[0], window[1]},
        holes{window[2] - 1, window[3] - 1},
        before{window[4], window[5]},
        after{window[6], window[7]} {}
};

struct Plan {
  dnnl::primitive run, reorder;
  memory::desc inputs, outputs, kernel, plain_kernel, scratch;
  bool reorders = false;
};

template <class Description>
void Take(Plan& plan, const Description& made, memory::desc inputs, memory::desc outputs, memory::desc kernel) {
  plan.inputs = inputs;
  plan.outputs = outputs;
  plan.kernel = kernel;
  plan.scratch = made.scratchpad_desc();
}

Plan& PlanOf(Pass pass, const Shape& shape, Type type, Type kernel_type) {
  static thread_local std::map<std::vector<int64_t>, std::unique_ptr<Plan>> plans;
  std::vector<int64_t> key{static_cast<int64_t>(pass), static_cast<int64_t>(type), static_cast<int64_t>(kernel_type)};
  for (const auto* each : {&shape.inputs, &shape.kernel, &shape.outputs, &shape.strides, &shape.holes, &shape.before,
                           &shape.after})
    key.insert(key.end(), each->begin(), each->end());
  auto& kept = plans[key];
  if (kept) return *kept;
  auto plan = std::make_unique<Plan>();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::desc x(shape.inputs, type, memory::format_tag::nhwc), y(shape.outputs, type, memory::format_tag::nhwc);
  const memory::desc k(shape.kernel, kernel_type, memory::format_tag::any);
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::primitive_desc forward(
      Engine(), dnnl::prop_kind::forward_training, algorithm, x,
      memory::desc(shape.kernel, type, memory::format_tag::any), y, shape.strides, shape.holes, shape.before,
      shape.after, attributes);
  if (pass == Pass::kOutputs) {
    plan->run = dnnl::convolution_forward(forward);
    Take(*plan, forward, forward.src_desc(), forward.dst_desc(), forward.weights_desc());
  } else if (pass == Pass::kInputs) {
    const dnnl::convolution_backward_data::primitive_desc made(Engine(), algorithm, x, k, y, shape.strides, shape.holes,
                                                               shape.before, shape.after, forward, attributes);
    plan->run = dnnl::convolution_backward_data(made);
    Take(*plan, made, made.diff_src_desc(), made.diff_dst_desc(), made.weights_desc());
  } else {
    const dnnl::convolution_backward_weights::primitive_desc made(
        Engine(), algorithm, x, k, y, shape.strides, shape.holes, shape.before, shape.after, forward, attributes);
    plan->run = dnnl::convolution_backward_weights(made);
    Take(*plan, made, made.src_desc(), made.diff_dst_desc(), made.diff_weights_desc());
  }
  plan->plain_kernel = memory::desc(shape.kernel, kernel_type, memory::format_tag::hwio);
  plan->reorders = plan->kernel != plan->plain_kernel;
  if (plan->reorders) {
    const bool back = pass == Pass::kKernel;
    plan->reorder = dnnl::reorder(dnnl::reorder::primitive_desc(Engine(), back ? plan->kernel : plan->plain_kernel,
                                                                Engine(), back ? plan->plain_kernel : plan->kernel));
  }
  kept = std::move(plan);
  return *kept;
}

void Reorder(Plan& plan, const memory::desc& from, void* source, const memory::desc& to, void* target) {
  plan.reorder.execute(Stream(), {{DNNL_ARG_FROM, memory(from, Engine(), source)},
                                  {DNNL_ARG_TO, memory(to, Engine(), target)}});
}

// Returns the kernel in the layout that the plan reads.
void* InOwnLayout(Plan& plan, void* kernel) {
  if (!plan.reorders) return kernel;
  void* own = RoomFor(Room::kKernel, plan.kernel.get_size());
  Reorder(plan, plan.plain_kernel, kernel, plan.kernel, own);
  return own;
}

void Run(Pass pass, Plan& plan, void* inputs, void* kernel, void* outputs) {
  const size_t needed = plan.scratch.get_size();
  const int x = pass == Pass::kInputs ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC;
  const int k = pass == Pass::kKernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
  const int y = pass == Pass::kOutputs ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST;
  plan.run.execute(Stream(), {{x, memory(plan.inputs, Engine(), inputs)},
                              {k, memory(plan.kernel, Engine(), kernel)},
                              {y, memory(plan.outputs, Engine(), outputs)},
                              {DNNL_ARG_SCRATCHPAD,
                               memory(plan.scratch, Engine(), needed ? RoomFor(Room::kScratch, needed) : nullptr)}});
}

float Number(float value) { return value; }

float Number(uint16_t bfloat16) {
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

// Calls `body(thread, first, last)` on several threads, each with its own share of the images or blocks: oneDNN then
// computes on one thread, and threads meet once an operation instead of several times a convolution.
template <class Body>
void InShares(int64_t count, int64_t threads, Body body) {
  threads = std::max<int64_t>(1, std::min(count, threads));
  if (threads == 1) {
    omp_set_num_threads(1);
    return body(0, int64_t{0}, count);
  }
  std::exception_ptr problem;
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    omp_set_num_threads(1);
    const int64_t thread = omp_get_thread_num(), all = omp_get_num_threads();
    try {
      body(thread, count * thread / all, count * (thread + 1) / all);
    } catch (...) {
#pragma omp critical
      problem = std::current_exception();
    }
  }
  if (problem) std::rethrow_exception(problem);
}

// Part `image` of an array whose first axis are images.
char* ImageOf(const Buffer& buffer, int64_t image) {
  const auto sizes = buffer.dimensions();
  return static_cast<char*>(buffer.untyped_data()) + image * (buffer.size_bytes() / std::max<int64_t>(sizes[0], 1));
}

template <class Body>
ffi::Error Guarded(Body body) {
  try {
    body();
  } catch (const dnnl::error& error) {
    return ffi::Error(ffi::ErrorCode::kInternal, error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "Out of memory in a native operation");
  }
  return ffi::Error::Success();
}

// The gradients of the kernel that the threads found for their own examples, in the layout of the plan.
class KernelSums {
 public:
  explicit KernelSums(int64_t threads) : parts_(threads, nullptr) {}

  // Returns room for the sum of a thread, which is not cleared.
  float* Of(int64_t thread, Plan& plan) {
    if (thread == 0) plan_ = &plan;
    return parts_[thread] = reinterpret_cast<float*>(RoomFor(Room::kSum, plan.kernel.get_size()));
  }
  static void Add(float* sum, const float* part, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] += part[i];
  }
  // Writes the sum of all threads, in their order, as a plain kernel.
  void Write(void* kernel) {
    const size_t bytes = plan_->kernel.get_size();
    for (size_t thread = 1; thread < parts_.size(); thread++)
      if (parts_[thread] != nullptr) Add(parts_[0], parts_[thread], bytes / sizeof(float));
    if (plan_->reorders)
      Reorder(*plan_, plan_->kernel, parts_[0], plan_->plain_kernel, kernel);
    else
      std::memcpy(kernel, parts_[0], bytes);
  }

 private:
  Plan* plan_ = nullptr;
  std::vector<float*> parts_;
};

ffi::Error Outputs(Buffer x, Buffer k, Output y, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y->dimensions();
    InShares(sizes[0], threads, [&](int64_t, int64_t first, int64_t last) {
      const Shape shape(x.dimensions(), k.dimensions(), sizes[1], sizes[2], window, last - first);
      Plan& plan = PlanOf(Pass::kOutputs, shape, TypeOf(x), TypeOf(x));
      Run(Pass::kOutputs, plan, ImageOf(x, first), InOwnLayout(plan, k.untyped_data()), ImageOf(*y, first));
    });
  });
}

ffi::Error Inputs(Buffer k, Buffer y, Output x, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y.dimensions();
    InShares(sizes[0], threads, [&](int64_t, int64_t first, int64_t last) {
      const Shape shape(x->dimensions(), k.dimensions(), sizes[1], sizes[2], window, last - first);
      Plan& plan = PlanOf(Pass::kInputs, shape, TypeOf(y), TypeOf(y));
      Run(Pass::kInputs, plan, ImageOf(*x, first), InOwnLayout(plan, k.untyped_data()), ImageOf(y, first));
    });
  });
}

ffi::Error Kernel(Buffer x, Buffer y, Output k, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y.dimensions();
    // Equal shares, since the sums must have one layout.
    while (sizes[0] % threads != 0) threads--;
    KernelSums sums(threads);
    InShares(sizes[0], threads, [&](int64_t thread, int64_t first, int64_t last) {
      const Shape shape(x.dimensions(), k->dimensions(), sizes[1], sizes[2], window, last - first);
      Plan& plan = PlanOf(Pass::kKernel, shape, TypeOf(x), Type::f32);
      Run(Pass::kKernel, plan, ImageOf(x, first), sums.Of(thread, plan), ImageOf(y, first));
    });
    sums.Write(k->untyped_data());
  });
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
  char* Result() const { return RoomFor(Room::kImages, block * tiles.image() * BytesOf(type)); }

  // Calls `body(thread, first image of a block, whether it is the thread's first)` for each block.
  template <class Begin, class Body>
  void ForBlocks(Pass pass, Begin begin, Body body) const {
    InShares(x[0] / block, threads, [&](int64_t thread, int64_t first, int64_t last) {
      Plan& plan = PlanFor(pass);
      void* kernel = begin(thread, plan);
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

ffi::Error Pooled(Buffer x, Buffer k, Output greatest, Output places, Sizes window, Sizes size, Sizes pool,
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

ffi::Error PooledInputs(Buffer k, Buffer places, Buffer gradient, Output x, Sizes window, Sizes size, Sizes pool,
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

ffi::Error PooledKernel(Buffer x, Buffer places, Buffer gradient, Output k, Sizes window, Sizes size, Sizes pool,
                        int64_t block, int64_t threads) {
  return Guarded([&] {
    const Tiles tiles{size[0], size[1], k->dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x.dimensions(), k->dimensions(), window, block, threads, TypeOf(gradient)};
    KernelSums sums(std::max<int64_t>(threads, 1));
    stage.ForBlocks(
        Pass::kKernel, [&](int64_t thread, Plan& plan) { return sums.Of(thread, plan); },
        [&](Plan& plan, void* sum, int64_t first, bool is_first) {
          const size_t bytes = plan.kernel.get_size();
          void* part = is_first ? sum : RoomFor(Room::kKernel, bytes);
          Run(Pass::kKernel, plan, ImageOf(x, first), part, stage.SpreadBlock(gradient, places, first));
          if (!is_first)
            KernelSums::Add(static_cast<float*>(sum), static_cast<float*>(part), bytes / sizeof(float));
        });
    sums.Write(k->untyped_data());
  });
}

}  // namespace

#define CONVOLUTION Attr<Sizes>("window").Attr<int64_t>("threads")
#define STAGE \
  Attr<Sizes>("window").Attr<Sizes>("size").Attr<Sizes>("pool").Attr<int64_t>("block").Attr<int64_t>("threads")

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_outputs, Outputs,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_inputs, Inputs,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_kernel, Kernel,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled, Pooled,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().Ret<Buffer>().STAGE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled_inputs, PooledInputs,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().STAGE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled_kernel, PooledKernel,
                              ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().STAGE);
