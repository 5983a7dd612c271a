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

Plan& PlanOf(Pass pass, const Shape& shape, Type type, Type kernel_type, int threads) {
  static thread_local std::map<std::vector<int64_t>, std::unique_ptr<Plan>> plans;
  std::vector<int64_t> key{static_cast<int64_t>(pass), static_cast<int64_t>(type), static_cast<int64_t>(kernel_type),
                           threads};
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

// Calls `function` for each image, on several threads.
template <class Function>
void ForImages(int64_t images, Function function) {
#pragma omp parallel for schedule(static)
  for (int64_t image = 0; image < images; image++) function(image);
}

void PoolImages(Type type, const Tiles& tiles, int64_t images, void* from, void* greatest, uint8_t* places) {
  ForImages(images, [&](int64_t image) {
    const int64_t at = image * tiles.image(), to = image * tiles.pooled();
    if (type == Type::f32)
      Pool(tiles, static_cast<float*>(from) + at, static_cast<float*>(greatest) + to, places + to);
    else
      Pool(tiles, static_cast<uint16_t*>(from) + at, static_cast<uint16_t*>(greatest) + to, places + to);
  });
}

void SpreadImages(Type type, const Tiles& tiles, int64_t images, void* gradient, const uint8_t* places, void* to) {
  ForImages(images, [&](int64_t image) {
    const int64_t at = image * tiles.pooled(), there = image * tiles.image();
    if (type == Type::f32)
      Spread(tiles, static_cast<float*>(gradient) + at, places + at, static_cast<float*>(to) + there);
    else
      Spread(tiles, static_cast<uint16_t*>(gradient) + at, places + at, static_cast<uint16_t*>(to) + there);
  });
}

// Part `image` of an array whose first axis are images.
char* ImageOf(const Buffer& buffer, int64_t image) {
  const auto sizes = buffer.dimensions();
  return static_cast<char*>(buffer.untyped_data()) + image * (buffer.size_bytes() / std::max<int64_t>(sizes[0], 1));
}

template <class Body>
ffi::Error Guarded(int64_t threads, Body body) {
  try {
    omp_set_num_threads(static_cast<int>(threads));
    body();
  } catch (const dnnl::error& error) {
    return ffi::Error(ffi::ErrorCode::kInternal, error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "Out of memory in a native operation");
  }
  return ffi::Error::Success();
}

ffi::Error Outputs(Buffer x, Buffer k, Output y, Sizes window, int64_t threads) {
  return Guarded(threads, [&] {
    const auto sizes = y->dimensions();
    const Shape shape(x.dimensions(), k.dimensions(), sizes[1], sizes[2], window, sizes[0]);
    Plan& plan = PlanOf(Pass::kOutputs, shape, TypeOf(x), TypeOf(x), threads);
    Run(Pass::kOutputs, plan, x.untyped_data(), InOwnLayout(plan, k.untyped_data()), y->untyped_data());
  });
}

ffi::Error Inputs(Buffer k, Buffer y, Output x, Sizes window, int64_t threads) {
  return Guarded(threads, [&] {
    const auto sizes = y.dimensions();
    const Shape shape(x->dimensions(), k.dimensions(), sizes[1], sizes[2], window, sizes[0]);
    Plan& plan = PlanOf(Pass::kInputs, shape, TypeOf(y), TypeOf(y), threads);
    Run(Pass::kInputs, plan, x->untyped_data(), InOwnLayout(plan, k.untyped_data()), y.untyped_data());
  });
}

ffi::Error Kernel(Buffer x, Buffer y, Output k, Sizes window, int64_t threads) {
  return Guarded(threads, [&] {
    const auto sizes = y.dimensions();
    const Shape shape(x.dimensions(), k->dimensions(), sizes[1], sizes[2], window, sizes[0]);
    Plan& plan = PlanOf(Pass::kKernel, shape, TypeOf(x), Type::f32, threads);
    void* own = plan.reorders ? RoomFor(Room::kKernel, plan.kernel.get_size()) : k->untyped_data();
    Run(Pass::kKernel, plan, x.untyped_data(), own, y.untyped_data());
    if (plan.reorders) Reorder(plan, plan.kernel, own, plan.plain_kernel, k->untyped_data());
  });
}

// The stage: a convolution and maximum pooling, `block` images at a time, so that the result stays in the cache; a block
// divides the images.
struct Stage {
  Tiles tiles;
  Sizes x, k, window;
  int64_t images, block;
  Type type;
  int threads;

  Plan& PlanFor(Pass pass) const {
    const Shape shape(x, k, tiles.height, tiles.width, window, block);
    return PlanOf(pass, shape, type, pass == Pass::kKernel ? Type::f32 : type, threads);
  }
  char* Result() const { return RoomFor(Room::kImages, block * tiles.image() * BytesOf(type)); }
  template <class Body>
  void ForBlocks(Body body) const {
    for (int64_t first = 0; first < images; first += block) body(first);
  }
};

ffi::Error Pooled(Buffer x, Buffer k, Output greatest, Output places, Sizes window, Sizes size, Sizes pool,
                  int64_t block, int64_t threads) {
  return Guarded(threads, [&] {
    const Tiles tiles{size[0], size[1], k.dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x.dimensions(), k.dimensions(), window, x.dimensions()[0], block, TypeOf(x),
                      static_cast<int>(threads)};
    Plan& plan = stage.PlanFor(Pass::kOutputs);
    void* kernel = InOwnLayout(plan, k.untyped_data());
    stage.ForBlocks([&](int64_t first) {
      Run(Pass::kOutputs, plan, ImageOf(x, first), kernel, stage.Result());
      PoolImages(stage.type, tiles, block, stage.Result(), ImageOf(*greatest, first),
                 reinterpret_cast<uint8_t*>(ImageOf(*places, first)));
    });
  });
}

ffi::Error PooledInputs(Buffer k, Buffer places, Buffer gradient, Output x, Sizes window, Sizes size, Sizes pool,
                        int64_t block, int64_t threads) {
  return Guarded(threads, [&] {
    const Tiles tiles{size[0], size[1], k.dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x->dimensions(), k.dimensions(), window, x->dimensions()[0], block, TypeOf(gradient),
                      static_cast<int>(threads)};
    Plan& plan = stage.PlanFor(Pass::kInputs);
    void* kernel = InOwnLayout(plan, k.untyped_data());
    stage.ForBlocks([&](int64_t first) {
      SpreadImages(stage.type, tiles, block, ImageOf(gradient, first),
                   reinterpret_cast<uint8_t*>(ImageOf(places, first)), stage.Result());
      Run(Pass::kInputs, plan, ImageOf(*x, first), kernel, stage.Result());
    });
  });
}

ffi::Error PooledKernel(Buffer x, Buffer places, Buffer gradient, Output k, Sizes window, Sizes size, Sizes pool,
                        int64_t block, int64_t threads) {
  return Guarded(threads, [&] {
    const Tiles tiles{size[0], size[1], k->dimensions()[3], pool[0], pool[1]};
    const Stage stage{tiles, x.dimensions(), k->dimensions(), window, x.dimensions()[0], block, TypeOf(gradient),
                      static_cast<int>(threads)};
    Plan& plan = stage.PlanFor(Pass::kKernel);
    const size_t bytes = plan.kernel.get_size(), count = bytes / sizeof(float);
    float* sum = reinterpret_cast<float*>(RoomFor(Room::kSum, bytes));
    stage.ForBlocks([&](int64_t first) {
      float* part = first ? reinterpret_cast<float*>(RoomFor(Room::kKernel, bytes)) : sum;
      SpreadImages(stage.type, tiles, block, ImageOf(gradient, first),
                   reinterpret_cast<uint8_t*>(ImageOf(places, first)), stage.Result());
      Run(Pass::kKernel, plan, ImageOf(x, first), part, stage.Result());
      if (first)
        for (size_t i = 0; i < count; i++) sum[i] += part[i];
    });
    if (plan.reorders)
      Reorder(plan, plan.kernel, sum, plan.plain_kernel, k->untyped_data());
    else
      std::memcpy(k->untyped_data(), sum, bytes);
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
