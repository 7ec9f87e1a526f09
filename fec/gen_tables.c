// SPDX-License-Identifier: ISC
/*
 * Build-time generator of the constant tables that fec_field.h declares. It runs on the
 * build machine, needs nothing but libc, takes the output path as its only argument, and
 * computes every entry from the definition in fec.h by the slowest obvious method.
 */
#include <stdint.h>
#include <stdio.h>

#define FIELD_POLYNOMIAL 0x11du
#define BASIS_SIZE 8

static uint8_t points[256];

static uint8_t times(uint8_t a, uint8_t b)
{
	unsigned shifted = a, product = 0;

	for (int bit = 0; bit < 8; bit++) {
		if (b >> bit & 1)
			product ^= shifted;
		shifted <<= 1;
		if (shifted & 0x100)
			shifted ^= FIELD_POLYNOMIAL;
	}
	return (uint8_t)product;
}

static uint8_t power_of_z(unsigned n)
{
	uint8_t x = 1;

	while (n--)
		x = times(x, 2);
	return x;
}

/* beta_0 = 1; then the even root of x^2 + x = beta_j (the roots differ by 1). */
static int build_points(void)
{
	uint8_t basis[BASIS_SIZE] = {1};

	for (int j = 1; j < BASIS_SIZE; j++) {
		for (unsigned x = 0; x < 256; x += 2)
			if ((times((uint8_t)x, (uint8_t)x) ^ x) == basis[j - 1])
				basis[j] = (uint8_t)x;
		if (!basis[j])
			return -1;
	}
	for (unsigned i = 0; i < 256; i++)
		for (int j = 0; j < BASIS_SIZE; j++)
			if (i >> j & 1)
				points[i] ^= basis[j];
	return 0;
}

static uint8_t inverse(unsigned a)
{
	for (unsigned x = 1; x < 256; x++)
		if (times((uint8_t)a, (uint8_t)x) == 1)
			return (uint8_t)x;
	return 0;
}

static uint8_t logarithm(unsigned a)
{
	for (unsigned n = 0; a && n < 255; n++)
		if (power_of_z(n) == a)
			return (uint8_t)n;
	return 0;
}

/*
 * GF2P8AFFINEQB gives result bit i = parity(matrix byte 7 - i AND input byte). Input bit j
 * contributes c * z^j, so bit j of that matrix byte is bit i of c * z^j.
 */
static uint64_t affine(uint8_t c)
{
	uint64_t matrix = 0;

	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 8; j++)
			if (times(c, (uint8_t)(1u << j)) >> i & 1)
				matrix |= UINT64_C(1) << ((7 - i) * 8 + j);
	return matrix;
}

static void put_bytes(FILE *out, const char *name, unsigned count,
		      uint8_t (*entry)(unsigned))
{
	fprintf(out, "const uint8_t %s[%u] = {", name, count);
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "%s0x%02x,", i % 16 ? " " : "\n\t", entry(i));
	fprintf(out, "\n};\n");
}

static uint8_t point(unsigned i)
{
	return points[i];
}

static uint8_t itself(unsigned i)
{
	return (uint8_t)i;
}

static void put_products(FILE *out)
{
	fprintf(out, "const uint8_t fec_table_mul[256][256] = {");
	for (unsigned a = 0; a < 256; a++) {
		fprintf(out, "\n\t{");
		for (unsigned b = 0; b < 256; b++)
			fprintf(out, "%u,", times((uint8_t)a, (uint8_t)b));
		fprintf(out, "},");
	}
	fprintf(out, "\n};\n_Alignas(64) const uint8_t fec_table_nibble[256][32] = {");
	for (unsigned c = 0; c < 256; c++) {
		fprintf(out, "\n\t{");
		for (unsigned i = 0; i < 32; i++)
			fprintf(out, "%u,",
				times((uint8_t)c, (uint8_t)(i < 16 ? i : (i - 16) << 4)));
		fprintf(out, "},");
	}
	fprintf(out, "\n};\n");
}

static void put_matrices(FILE *out, const char *name, uint8_t (*factor)(unsigned))
{
	fprintf(out, "_Alignas(64) const uint64_t %s[256] = {", name);
	for (unsigned i = 0; i < 256; i++)
		fprintf(out, "%s0x%016llxu,", i % 4 ? " " : "\n\t",
			(unsigned long long)affine(factor(i)));
	fprintf(out, "\n};\n");
}

int main(int argc, char **argv)
{
	FILE *out;

	if (argc != 2 || build_points() != 0) {
		fprintf(stderr, "usage: gen_tables OUTPUT\n");
		return 64;
	}
	out = fopen(argv[1], "w");
	if (!out) {
		perror(argv[1]);
		return 74;
	}
	fprintf(out, "// SPDX-License-Identifier: ISC\n"
		     "/* Written by gen_tables.c; change that. */\n"
		     "#include \"fec_field.h\"\n");
	put_bytes(out, "fec_table_inverse", 256, inverse);
	put_bytes(out, "fec_table_log", 256, logarithm);
	put_bytes(out, "fec_table_exp", 255, power_of_z);
	put_bytes(out, "fec_table_point", 256, point);
	put_products(out);
	put_matrices(out, "fec_table_affine", itself);
	put_matrices(out, "fec_table_affine_point", point);
	if (fclose(out) != 0) {
		perror(argv[1]);
		return 74;
	}
	return 0;
}
