// What the native operations have in common: memory that is kept from call to call, and what is said of errors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "team.h"
#include "xla/ffi/api/ffi.h"

namespace jaxdl {

namespace ffi = xla::ffi;
using dnnl::memory;
using Buffer = ffi::AnyBuffer;
using Output = ffi::Result<ffi::AnyBuffer>;
using Sizes = ffi::Span<const int64_t>;
using Type = memory::data_type;

// Memory that grows and is kept.
class Room {
 public:
  Room() = default;
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() { std::free(data_); }

  char* For(size_t bytes) {
    if (bytes_ < bytes) {
      std::free(data_);
      bytes_ = (bytes + 4095) / 4096 * 4096;
      data_ = static_cast<char*>(std::aligned_alloc(4096, bytes_));
      if (data_ == nullptr) {
        bytes_ = 0;
        throw std::bad_alloc();
      }
    }
    return data_;
  }

 private:
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

// The memory that a thread keeps for one purpose.
enum class Purpose { kKernel, kScratch, kImages, kPanels, kState, kSums };

inline char* RoomFor(Purpose purpose, size_t bytes) {
  static thread_local std::map<Purpose, Room> all;
  return all[purpose].For(bytes);
}

inline dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::stream& Stream() {
  static thread_local dnnl::stream stream(Engine());
  return stream;
}

inline Type TypeOf(const Buffer& buffer) {
  return buffer.element_type() == ffi::DataType::BF16 ? Type::bf16 : Type::f32;
}
inline size_t BytesOf(Type type) { return type == Type::bf16 ? 2 : 4; }

// Part `image` of an array whose first axis are images.
inline char* ImageOf(const Buffer& buffer, int64_t image) {
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

}  // namespace jaxdl
