//! The digits of a double, by Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", 2010), because Redis 7.2 and later use it.
//!
//! Grisu2's digits always read back as the same double and are the shortest such in all but one of 500 cases. Those
//! cases are why a better algorithm will not do: clients see them, and DEBUG DIGEST hashes them.
//!
//! Owns the digits and the power of ten of the last one. Never lays them out (see [`super`]).

/// `10^(FIRST_POWER + 8 i)` as a fraction of 64 bits with its top bit set, rounded to nearest.
#[rustfmt::skip]
static POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

/// The decimal exponent of the first of [`POWERS`].
const FIRST_POWER: i32 = -348;
/// What one of [`POWERS`] is ahead of the one before it.
const POWER_STEP: i32 = 8;
/// A power of ten is chosen so that the product's binary exponent lies between these two: the integral part then fits
/// 32 bits.
const EXPONENT_MIN: i32 = -60;
const EXPONENT_MAX: i32 = -32;

/// The most digits that Grisu2 makes: ten of the integral part's 32 bits and those after it, never above 18 in all.
const DIGITS_MAX: usize = 20;

/// A positive number as decimal digits and the power of ten of the last of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    bytes: [u8; DIGITS_MAX],
    len: usize,
    /// The power of ten of the last digit.
    pub(super) scale: i32,
}

impl Digits {
    /// The digits in ASCII; never empty, never starting with a zero.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, digit: u64) {
        // Leading zeros are not digits of the number.
        if digit == 0 && self.len == 0 {
            return;
        }
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = b'0' + (digit % 10) as u8;
            self.len += 1;
        }
    }

    fn lower_last(&mut self) {
        if let Some(last) = self.len.checked_sub(1).and_then(|last| self.bytes.get_mut(last)) {
            *last -= 1;
        }
    }
}

/// A number as `fraction * 2^exponent`.
#[derive(Clone, Copy)]
struct Binary {
    fraction: u64,
    exponent: i32,
}

impl Binary {
    /// The same number with the fraction's top bit set.
    fn normalized(self) -> Binary {
        let shift = self.fraction.leading_zeros();
        Binary { fraction: self.fraction << shift, exponent: self.exponent - shift as i32 }
    }

    /// The product, rounded to 64 bits.
    fn times(self, other: Binary) -> Binary {
        let product = u128::from(self.fraction) * u128::from(other.fraction) + (1 << 63);
        Binary { fraction: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// The digits of `value`, which is finite and above zero.
pub(super) fn digits(value: f64) -> Digits {
    const HIDDEN: u64 = 1 << 52;
    let bits = value.to_bits();
    let fraction = bits & (HIDDEN - 1);
    let number = match ((bits >> 52) & 0x7ff) as i32 {
        0 => Binary { fraction, exponent: -1074 },
        exponent => Binary { fraction: fraction | HIDDEN, exponent: exponent - 1075 },
    };
    // Halfway to the neighbours; the one below is nearer where the exponent changes.
    let upper = Binary { fraction: (number.fraction << 1) + 1, exponent: number.exponent - 1 }.normalized();
    let closer = if number.fraction == HIDDEN { 2 } else { 1 };
    let lower = Binary { fraction: (number.fraction << closer) - 1, exponent: number.exponent - closer };
    let lower =
        Binary { fraction: lower.fraction << (lower.exponent - upper.exponent), exponent: upper.exponent };

    let (power, scale) = power_for(upper.exponent);
    let number = number.normalized().times(power);
    let upper = upper.times(power);
    let lower = lower.times(power);
    // One unit inwards on both sides makes up for what the roundings may have lost.
    generate(number.fraction, upper.fraction - 1, lower.fraction + 1, upper.exponent, scale)
}

/// The power of ten that brings a fraction with this exponent into the wanted range, and minus its decimal exponent.
fn power_for(exponent: i32) -> (Binary, i32) {
    const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
    // Where the search begins decides which of two fitting powers is taken, so it is part of the answer.
    let about = (f64::from(-(exponent + POWERS.len() as i32)) * LOG10_OF_2) as i32;
    let mut index = (about - FIRST_POWER) / POWER_STEP;
    loop {
        let decimal = FIRST_POWER + POWER_STEP * index;
        let fraction = usize::try_from(index).ok().and_then(|index| POWERS.get(index)).copied();
        let fraction = fraction.expect("the table covers every exponent of a double");
        // floor(decimal * log2(10)), exact for every exponent in the table
        let power = Binary { fraction, exponent: ((decimal * 217_706) >> 16) - 63 };
        let product = exponent + power.exponent + 64;
        if product < EXPONENT_MIN {
            index += 1;
        } else if product > EXPONENT_MAX {
            index -= 1;
        } else {
            return (power, -decimal);
        }
    }
}

/// Digits from the top of `upper` down, until what is left lies inside the interval.
fn generate(number: u64, upper: u64, lower: u64, exponent: i32, scale: i32) -> Digits {
    let shift = exponent.unsigned_abs();
    let one = 1u64 << shift;
    let mut distance = upper - number;
    let mut width = upper - lower;
    let mut whole = upper >> shift;
    let mut part = upper & (one - 1);
    let mut digits = Digits { bytes: [0; DIGITS_MAX], len: 0, scale };

    let mut kappa = 10;
    let mut unit = 1_000_000_000;
    while kappa > 0 {
        digits.push(whole / unit);
        whole %= unit;
        kappa -= 1;
        let rest = (whole << shift) + part;
        if rest <= width {
            digits.scale += kappa;
            approach(&mut digits, width, rest, unit << shift, distance);
            return digits;
        }
        unit /= 10;
    }
    // None of the three overflows: distance <= width <= part < one <= 2^60 whenever the loop goes on.
    loop {
        part *= 10;
        width *= 10;
        distance *= 10;
        kappa -= 1;
        digits.push(part >> shift);
        part &= one - 1;
        if part < width {
            digits.scale += kappa;
            approach(&mut digits, width, part, one, distance);
            return digits;
        }
    }
}

/// Lowers the last digit while that brings the text nearer to the number and keeps it inside the interval.
fn approach(digits: &mut Digits, width: u64, mut rest: u64, unit: u64, distance: u64) {
    while rest < distance
        && width - rest >= unit
        && (rest + unit < distance || distance - rest > rest + unit - distance)
    {
        digits.lower_last();
        rest += unit;
    }
}
