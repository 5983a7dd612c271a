// A convolution and its two gradients.
//
// Arrays are channels last, kernels (height, width, channels, features), as `jaxdl.ops.convolution` has them; in one
// spatial dimension the height is 1. Each handler says how many threads it may use: where the devices of a CPU share a
// batch, each computes its own examples on its own core, and no thread waits for another.
#pragma once

#include <cstring>
#include <utility>

#include "common.h"

namespace jaxdl {

enum class Pass { kOutputs, kInputs, kKernel };

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

inline Plan& PlanOf(Pass pass, const Shape& shape, Type type, Type kernel_type) {
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

inline void Reorder(Plan& plan, const memory::desc& from, void* source, const memory::desc& to, void* target) {
  plan.reorder.execute(Stream(), {{DNNL_ARG_FROM, memory(from, Engine(), source)},
                                  {DNNL_ARG_TO, memory(to, Engine(), target)}});
}

// Returns the kernel in the layout that the plan reads.
inline void* InOwnLayout(Plan& plan, void* kernel) {
  if (!plan.reorders) return kernel;
  void* own = RoomFor(Purpose::kKernel, plan.kernel.get_size());
  Reorder(plan, plan.plain_kernel, kernel, plan.kernel, own);
  return own;
}

inline void Run(Pass pass, Plan& plan, void* inputs, void* kernel, void* outputs) {
  const size_t needed = plan.scratch.get_size();
  const int x = pass == Pass::kInputs ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC;
  const int k = pass == Pass::kKernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
  const int y = pass == Pass::kOutputs ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST;
  plan.run.execute(Stream(), {{x, memory(plan.inputs, Engine(), inputs)},
                              {k, memory(plan.kernel, Engine(), kernel)},
                              {y, memory(plan.outputs, Engine(), outputs)},
                              {DNNL_ARG_SCRATCHPAD,
                               memory(plan.scratch, Engine(), needed ? RoomFor(Purpose::kScratch, needed) : nullptr)}});
}

// The gradients of the kernel that the shares found for their own examples, in the layout of the plan.
class KernelSums {
 public:
  // Not cleared. `plan` is one of this thread, for as many images as a share computes at a time.
  KernelSums(int64_t shares, Plan& plan) : plan_(plan) {
    static thread_local std::vector<std::unique_ptr<Room>> rooms;
    while (static_cast<int64_t>(rooms.size()) < shares) rooms.push_back(std::make_unique<Room>());
    for (int64_t share = 0; share < shares; share++)
      parts_.push_back(reinterpret_cast<float*>(rooms[share]->For(plan.kernel.get_size())));
  }
  float* Of(int64_t share) const { return parts_[share]; }

  static void Add(float* sum, const float* part, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] += part[i];
  }
  // Writes the sum of all shares, in their order, as a plain kernel.
  void Write(void* kernel) {
    const size_t bytes = plan_.kernel.get_size();
    for (size_t share = 1; share < parts_.size(); share++) Add(parts_[0], parts_[share], bytes / sizeof(float));
    if (plan_.reorders)
      Reorder(plan_, plan_.kernel, parts_[0], plan_.plain_kernel, kernel);
    else
      std::memcpy(kernel, parts_[0], bytes);
  }

 private:
  Plan& plan_;
  std::vector<float*> parts_;
};

inline ffi::Error Outputs(Buffer x, Buffer k, Output y, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y->dimensions();
    InShares(sizes[0], threads, [&](int64_t, int64_t first, int64_t last) {
      const Shape shape(x.dimensions(), k.dimensions(), sizes[1], sizes[2], window, last - first);
      Plan& plan = PlanOf(Pass::kOutputs, shape, TypeOf(x), TypeOf(x));
      Run(Pass::kOutputs, plan, ImageOf(x, first), InOwnLayout(plan, k.untyped_data()), ImageOf(*y, first));
    });
  });
}

inline ffi::Error Inputs(Buffer k, Buffer y, Output x, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y.dimensions();
    InShares(sizes[0], threads, [&](int64_t, int64_t first, int64_t last) {
      const Shape shape(x->dimensions(), k.dimensions(), sizes[1], sizes[2], window, last - first);
      Plan& plan = PlanOf(Pass::kInputs, shape, TypeOf(y), TypeOf(y));
      Run(Pass::kInputs, plan, ImageOf(*x, first), InOwnLayout(plan, k.untyped_data()), ImageOf(y, first));
    });
  });
}

inline ffi::Error Kernel(Buffer x, Buffer y, Output k, Sizes window, int64_t threads) {
  return Guarded([&] {
    const auto sizes = y.dimensions();
    // Equal shares, since the sums must have one layout.
    while (sizes[0] % threads != 0) threads--;
    const int64_t shares = SharesOf(sizes[0], threads);
    const Shape shape(x.dimensions(), k->dimensions(), sizes[1], sizes[2], window, sizes[0] / shares);
    const auto plan = [&]() -> Plan& { return PlanOf(Pass::kKernel, shape, TypeOf(x), Type::f32); };
    KernelSums sums(shares, plan());
    InShares(sizes[0], shares, [&](int64_t share, int64_t first, int64_t) {
      Run(Pass::kKernel, plan(), ImageOf(x, first), sums.Of(share), ImageOf(y, first));
    });
    sums.Write(k->untyped_data());
  });
}

}  // namespace jaxdl
