//! The Kullback–Leibler divergence between the distributions that two rows of logits stand for.

use super::{simd, vector};
use rayon::prelude::*;

/// KL(teacher ‖ student) of each row, nats, of softmax(logits / temperature). With `factor`, each row of `student`
/// (n×vocabulary) becomes `factor` × (p_student − p_teacher); without one it is left as scratch.
pub fn divergences(
    student: &mut [f32],
    teacher: &[f32],
    vocabulary: usize,
    temperature: f32,
    factor: Option<f32>,
) -> Vec<f32> {
    let rows = student.par_chunks_exact_mut(vocabulary).zip(teacher.par_chunks_exact(vocabulary));
    let scratch = || (vec![0.0; vocabulary], vec![0.0; vocabulary]);
    let rows = rows.map_init(scratch, |(apart, other), (student, teacher)| {
        other.copy_from_slice(teacher);
        simd!(divergence(student, other, apart, 1.0 / temperature, factor))
    });
    rows.collect()
}

/// `apart` is scratch, and so is `teacher` afterwards.
#[inline(always)]
fn divergence(student: &mut [f32], teacher: &mut [f32], apart: &mut [f32], sharpness: f32, factor: Option<f32>) -> f32 {
    let (student_highest, teacher_highest) = (vector::max(student), vector::max(teacher));
    // How far each logit of the teacher lies above the student's, before exponentials overwrite both.
    for ((apart, teacher), student) in apart.iter_mut().zip(&*teacher).zip(&*student) {
        *apart = ((*teacher - teacher_highest) - (*student - student_highest)) * sharpness;
    }
    teacher.iter_mut().for_each(|x| *x = vector::exp((*x - teacher_highest) * sharpness));
    student.iter_mut().for_each(|x| *x = vector::exp((*x - student_highest) * sharpness));
    let (of_teacher, of_student) = (vector::sum(teacher), vector::sum(student));
    let divergence = vector::dot(teacher, apart) / of_teacher + of_student.ln() - of_teacher.ln();
    if let Some(factor) = factor {
        let (own, other) = (factor / of_student, factor / of_teacher);
        student.iter_mut().zip(&*teacher).for_each(|(x, y)| *x = *x * own - *y * other);
    }
    // Rounding may carry it below zero; what is no number stays none.
    if divergence < 0.0 { 0.0 } else { divergence }
}
