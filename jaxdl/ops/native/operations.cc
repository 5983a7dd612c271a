// Operations for XLA's CPU backend, most of them computed by oneDNN; `jaxdl.ops.onednn` calls them.
#include "adam.h"
#include "convolution.h"
#include "lstm_gradients.h"
#include "pooling.h"
#include "product.h"

#define OPERATION xla::ffi::Ffi::Bind()
#define CONVOLUTION Attr<jaxdl::Sizes>("window").Attr<int64_t>("threads")
#define STAGE                                                                                               \
  Attr<jaxdl::Sizes>("window").Attr<jaxdl::Sizes>("size").Attr<jaxdl::Sizes>("pool").Attr<int64_t>("block") \
      .Attr<int64_t>("threads")
#define IN Arg<jaxdl::Buffer>()
#define OUT Ret<jaxdl::Buffer>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_outputs, jaxdl::Outputs, OPERATION.IN.IN.OUT.CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_inputs, jaxdl::Inputs, OPERATION.IN.IN.OUT.CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_kernel, jaxdl::Kernel, OPERATION.IN.IN.OUT.CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled, jaxdl::Pooled, OPERATION.IN.IN.OUT.OUT.STAGE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled_inputs, jaxdl::PooledInputs, OPERATION.IN.IN.IN.OUT.STAGE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_pooled_kernel, jaxdl::PooledKernel, OPERATION.IN.IN.IN.OUT.STAGE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    jaxdl_product, jaxdl::Product,
    OPERATION.IN.IN.OUT.Attr<int64_t>("turn_a").Attr<int64_t>("turn_b").Attr<int64_t>("threads"));
#define SEQUENCES Attr<jaxdl::Sizes>("reverse").Attr<int64_t>("threads")
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_lstm, jaxdl::Lstm,
                              OPERATION.IN.IN.IN.IN.IN.IN.IN.OUT.OUT.OUT.OUT.OUT.SEQUENCES);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_lstm_gates, jaxdl::LstmGates,
                              OPERATION.IN.IN.IN.IN.IN.IN.IN.IN.OUT.OUT.OUT.SEQUENCES);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxdl_lstm_weights, jaxdl::LstmWeights,
                              OPERATION.IN.IN.IN.IN.OUT.OUT.OUT.SEQUENCES);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    jaxdl_adam, jaxdl::Adam,
    OPERATION.IN.RemainingArgs().RemainingRets().Attr<jaxdl::Sizes>("decays").Attr<int64_t>("threads"));
