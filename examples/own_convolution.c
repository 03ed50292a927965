/* A convolution over two axes, as one writes it for long lines: a row of results stays in a buffer while all filter taps go by.

   A part is every num_parts-th plane (image, output channel), so that threads share the planes. */
#include <stdint.h>

#define OWN_CONVOLUTION(NAME, REAL)                                                                                              \
    static void NAME(const REAL *x, const REAL *filters, REAL *result, const mosaic_convolution *sizes, int64_t part,            \
                     int64_t num_parts) {                                                                                        \
        const int64_t per_group = sizes->channels / sizes->groups, outputs = sizes->outputs;                                     \
        const int64_t height = sizes->lengths[0], width = sizes->lengths[1];                                                     \
        const int64_t rows = sizes->positions[0], columns = sizes->positions[1];                                                 \
        for (int64_t plane = part; plane < sizes->batch * outputs; plane += num_parts) {                                         \
            const int64_t image = plane / outputs, output = plane % outputs;                                                     \
            const int64_t first = output / (outputs / sizes->groups) * per_group;                                                \
            for (int64_t row = 0; row < rows; row++) {                                                                           \
                REAL *line = result + (plane * rows + row) * columns;                                                            \
                for (int64_t column = 0; column < columns; column++) line[column] = 0;                                           \
                for (int64_t channel = 0; channel < per_group; channel++)                                                        \
                    for (int64_t i = 0; i < sizes->kernel[0]; i++)                                                               \
                        for (int64_t j = 0; j < sizes->kernel[1]; j++) {                                                         \
                            const int64_t y = row * sizes->strides[0] + i * sizes->dilation[0];                                  \
                            const REAL *from = x + ((image * sizes->channels + first + channel) * height + y) * width            \
                                               + j * sizes->dilation[1];                                                         \
                            const REAL tap = filters[((output * per_group + channel) * sizes->kernel[0] + i)                     \
                                                     * sizes->kernel[1] + j];                                                    \
                            for (int64_t column = 0; column < columns; column++)                                                 \
                                line[column] += tap * from[column * sizes->strides[1]];                                          \
                        }                                                                                                        \
            }                                                                                                                    \
        }                                                                                                                        \
    }

OWN_CONVOLUTION(own_convolution_float, float)
OWN_CONVOLUTION(own_convolution_double, double)
